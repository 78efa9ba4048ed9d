"""Opens the store of a location and the fetcher of a transport; imports only the scheme that is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from harvester.location import Location
from harvester.sessions import BucketTransport, GcsTransport, S3Transport, StoreSettings
from harvester.storage.base import MEBIBYTE, Fetcher, Store, Transport

if TYPE_CHECKING:
    from harvester.storage.http import Dialect


def open_store(location: Location, settings: StoreSettings | None = None) -> Store:
    """Return the store of ``location``; touches neither network nor credentials yet.

    Raises ConfigurationError for settings that cannot be, e.g. a profile that does not exist.
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
    """Load the code behind ``open_fetcher``, for a process that has time before it is told what to fetch."""
    importlib.import_module("harvester.storage.local" if scheme == "file" else "harvester.storage.http.fetcher")


def open_fetcher(transport: Transport, spool_directory: str, spool_from: int = 4 * MEBIBYTE) -> Fetcher:
    """Return a fetcher; bodies of ``spool_from`` bytes and more go to files in ``spool_directory``."""
    if transport.scheme == "file":
        from harvester.storage.local import DirectoryFetcher, DirectoryTransport

        assert isinstance(transport, DirectoryTransport)  # noqa: S101  # the scheme says so; narrows the type
        return DirectoryFetcher(transport, spool_directory, spool_from)
    from harvester.sessions import GcsTransport, S3Transport
    from harvester.storage.http import BucketFetcher

    assert isinstance(transport, S3Transport | GcsTransport)  # noqa: S101  # as above
    return BucketFetcher(transport, dialect_for, spool_directory, spool_from)


def dialect_for(transport: BucketTransport) -> Dialect:
    """Return the dialect of the transport's cloud."""
    match transport:
        case S3Transport():
            from harvester.storage.s3 import S3Dialect

            return S3Dialect(transport)
        case GcsTransport():
            from harvester.storage.gcs import GcsDialect

            return GcsDialect(transport)
