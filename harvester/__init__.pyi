from .access import AccessReport as AccessReport
from .access import ProbeReport as ProbeReport
from .access import explain_access as explain_access
from .access import probe_connection as probe_connection
from .api import listen as listen
from .api import reconcile as reconcile
from .api import sync as sync
from .api import watch as watch
from .destination import ResultRow as ResultRow
from .destination import Verification as Verification
from .destination import destination_status as destination_status
from .destination import evict as evict
from .destination import read as read
from .errors import HarvesterError as HarvesterError
from .events import ListenOptions as ListenOptions
from .events import ListenReport as ListenReport
from .events import ListingWatchOptions as ListingWatchOptions
from .events import QueueWatchOptions as QueueWatchOptions
from .events import WatchReport as WatchReport
from .events import WebhookOptions as WebhookOptions
from .location import Location as Location
from .location import parse_location as parse_location
from .nimble_api import NimbleClient as NimbleClient
from .reconciliation import ReconcileOptions as ReconcileOptions
from .reconciliation import ReconcileReport as ReconcileReport
from .results import ResultOptions as ResultOptions
from .results import Validation as Validation
from .retry import RetryPolicy as RetryPolicy
from .sessions import StoreSettings as StoreSettings
from .storage import list_objects as list_objects
from .transfer import ObjectEvent as ObjectEvent
from .transfer import Observer as Observer
from .transfer import Selection as Selection
from .transfer import SyncOptions as SyncOptions
from .transfer import SyncReport as SyncReport

__all__: list[str]
__version__: str
