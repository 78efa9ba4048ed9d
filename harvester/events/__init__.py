"""What arrives by itself: bucket events from a queue, looks taken every now and then, webhooks of tasks.

The names below are loaded when they are first used: a watch needs no web server, a receiver no queue.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harvester.events.account import LandingAccount, MessageCounts, WatchReport
    from harvester.events.listening import ListenOptions, ListenReport, listen
    from harvester.events.listing_watch import ListingWatchOptions, watch_listing
    from harvester.events.queue_watch import QueueWatchOptions, watch_queue
    from harvester.events.source import bound_source
    from harvester.events.webhook_app import WebhookOptions

_HOMES = {
    "LandingAccount": "account",
    "ListenOptions": "listening",
    "ListenReport": "listening",
    "ListingWatchOptions": "listing_watch",
    "MessageCounts": "account",
    "QueueWatchOptions": "queue_watch",
    "WatchReport": "account",
    "WebhookOptions": "webhook_app",
    "bound_source": "source",
    "listen": "listening",
    "watch_listing": "listing_watch",
    "watch_queue": "queue_watch",
}

__all__ = [
    "LandingAccount",
    "ListenOptions",
    "ListenReport",
    "ListingWatchOptions",
    "MessageCounts",
    "QueueWatchOptions",
    "WatchReport",
    "WebhookOptions",
    "bound_source",
    "listen",
    "watch_listing",
    "watch_queue",
]


def __getattr__(name: str) -> object:
    """Load a name from the module it lives in."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"harvester.events.{_HOMES[name]}"), name)
