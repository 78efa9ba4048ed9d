from .http_server import HttpServer as HttpServer
from .server_address import ServerCertificate as ServerCertificate
from .server_address import is_loopback as is_loopback
from .webhook_app import WebhookApp as WebhookApp
from .webhook_app import WebhookOptions as WebhookOptions
