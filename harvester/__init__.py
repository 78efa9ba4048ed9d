"""The customer's side of Nimble's asynchronous delivery: the live half (network, disk, terminal).

The names below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harvester.access import AccessReport, ProbeReport, explain_access, probe_connection
    from harvester.api import listen, reconcile, sync, watch
    from harvester.cloud import RetryPolicy
    from harvester.errors import HarvesterError
    from harvester.events import (
        ListenOptions,
        ListenReport,
        ListingWatchOptions,
        QueueWatchOptions,
        WatchReport,
        WebhookOptions,
    )
    from harvester.location import Location, parse_location
    from harvester.mirror import (
        ObjectEvent,
        Observer,
        ResultOptions,
        ResultRow,
        Selection,
        StoreSettings,
        SyncOptions,
        SyncReport,
        Validation,
        Verification,
        destination_status,
        evict,
        list_objects,
        read,
    )
    from harvester.tasks import NimbleClient, ReconcileOptions, ReconcileReport

__version__ = "0.1.0"

__all__ = [
    "AccessReport",
    "HarvesterError",
    "ListenOptions",
    "ListenReport",
    "ListingWatchOptions",
    "Location",
    "NimbleClient",
    "ObjectEvent",
    "Observer",
    "ProbeReport",
    "QueueWatchOptions",
    "ReconcileOptions",
    "ReconcileReport",
    "ResultOptions",
    "ResultRow",
    "RetryPolicy",
    "Selection",
    "StoreSettings",
    "SyncOptions",
    "SyncReport",
    "Validation",
    "Verification",
    "WatchReport",
    "WebhookOptions",
    "destination_status",
    "evict",
    "explain_access",
    "list_objects",
    "listen",
    "parse_location",
    "probe_connection",
    "read",
    "reconcile",
    "sync",
    "watch",
]

_HOMES = {
    **dict.fromkeys(("listen", "reconcile", "sync", "watch"), "harvester.api"),
    "HarvesterError": "harvester.errors",
    "RetryPolicy": "harvester.cloud",
    **dict.fromkeys(("Location", "parse_location"), "harvester.location"),
    **dict.fromkeys(("AccessReport", "ProbeReport", "explain_access", "probe_connection"), "harvester.access"),
    **dict.fromkeys(("ListenOptions", "ListenReport", "ListingWatchOptions"), "harvester.events"),
    **dict.fromkeys(("QueueWatchOptions", "WatchReport", "WebhookOptions"), "harvester.events"),
    **dict.fromkeys(("NimbleClient", "ReconcileOptions", "ReconcileReport"), "harvester.tasks"),
}


def __getattr__(name: str) -> object:
    """Load a public name from the room it lives in."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "harvester.mirror")), name)
