from .message_queue import MessageQueue as MessageQueue
from .message_queue import QueueMessage as QueueMessage
from .message_queue import is_subscription as is_subscription
from .message_queue import received_message as received_message
from .queue_opening import open_queue as open_queue
