from .peer_destinations import PeerDestinations as PeerDestinations
from .queue_options import QueueWatchOptions as QueueWatchOptions
from .queue_options import check_queue as check_queue
from .queue_worker import QueueWorker as QueueWorker
from .row_commits import RowCommits as RowCommits
