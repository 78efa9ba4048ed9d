"""Buckets and directories: list, fetch, put. The only room that imports cloud SDKs and the byte fetcher.

Importing it loads neither; each is loaded when a location of its scheme is opened.
"""

from harvester.cloud.interface import (
    Cause,
    Fetched,
    Fetcher,
    FetchFailure,
    FetchRequest,
    ObjectRef,
    RetryPolicy,
    Store,
    StoreSettings,
    Transport,
)
from harvester.cloud.opening import load_fetcher, open_fetcher, open_store

__all__ = [
    "Cause",
    "FetchFailure",
    "FetchRequest",
    "Fetched",
    "Fetcher",
    "ObjectRef",
    "RetryPolicy",
    "Store",
    "StoreSettings",
    "Transport",
    "load_fetcher",
    "open_fetcher",
    "open_store",
]
