"""What arrives by itself: bucket events from a queue, looks taken every now and then, webhooks of tasks."""

from harvester.events.account import LandingAccount, MessageCounts, WatchReport
from harvester.events.listing_watch import ListingWatchOptions, watch_listing
from harvester.events.queue_watch import QueueWatchOptions, watch_queue

__all__ = [
    "LandingAccount",
    "ListingWatchOptions",
    "MessageCounts",
    "QueueWatchOptions",
    "WatchReport",
    "watch_listing",
    "watch_queue",
]
