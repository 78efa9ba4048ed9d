"""Opens the store of a location and the fetcher of a connection; imports only the scheme that is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from harvester.location import Location
from harvester.sessions import BucketConnection, GcsConnection, S3Connection, StoreSettings
from harvester.storage.base import SPOOL_FROM_BYTES, Fetcher, Store, StoreConnection

if TYPE_CHECKING:
    from harvester.storage.http import ProviderAdapter


def open_store(location: Location, settings: StoreSettings | None = None) -> Store:
    """Return the store of ``location``; touches neither network nor credentials yet.

    Raises ConfigurationError for invalid settings, e.g. a profile that does not exist.
    """
    settings = settings or StoreSettings()
    match location.scheme:
        case "file":
            from harvester.storage.local import DirectoryStore

            return DirectoryStore(location, settings)
        case "s3":
            from harvester.storage.s3 import S3Store

            return S3Store(location, settings)
        case "gs":
            from harvester.storage.gcs import GcsStore

            return GcsStore(location, settings)


def load_fetcher(scheme: str) -> None:
    """Load the code behind ``open_fetcher``, for a process that has time before its first request."""
    importlib.import_module("harvester.storage.local" if scheme == "file" else "harvester.storage.http.fetcher")


def open_fetcher(connection: StoreConnection, spool_directory: str, spool_from: int = SPOOL_FROM_BYTES) -> Fetcher:
    """Return a fetcher; bodies of ``spool_from`` bytes and more go to files in ``spool_directory``."""
    if connection.scheme == "file":
        from harvester.storage.local import DirectoryConnection, DirectoryFetcher

        assert isinstance(connection, DirectoryConnection)  # noqa: S101  # follows from the scheme; narrows the type
        return DirectoryFetcher(connection, spool_directory, spool_from)
    from harvester.sessions import GcsConnection, S3Connection
    from harvester.storage.http import BucketFetcher

    assert isinstance(connection, S3Connection | GcsConnection)  # noqa: S101  # as above
    return BucketFetcher(connection, adapter_for, spool_directory, spool_from)


def adapter_for(connection: BucketConnection) -> ProviderAdapter:
    """Return the adapter of the connection's cloud."""
    match connection:
        case S3Connection():
            from harvester.storage.s3 import S3Adapter

            return S3Adapter(connection)
        case GcsConnection():
            from harvester.storage.gcs import GcsAdapter

            return GcsAdapter(connection)
