from .journal import connect_journaled as connect_journaled
from .journal import has_shared_log as has_shared_log
from .manifest_database import ManifestDatabase as ManifestDatabase
from .manifest_errors import UnreadableRow as UnreadableRow
from .manifest_errors import manifest_error as manifest_error
from .transactions import immediate_transaction as immediate_transaction
