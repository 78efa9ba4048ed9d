"""Opens the store of a location and the fetcher of a transport; imports only the scheme that is asked for."""

from __future__ import annotations

import importlib

from harvester.cloud.interface import MEBIBYTE, Fetcher, Store, StoreSettings, Transport
from harvester.location import Location


def open_store(location: Location, settings: StoreSettings | None = None) -> Store:
    """Return the store of ``location``; touches neither network nor credentials yet.

    Raises ConfigurationError for settings that cannot be, e.g. a profile that does not exist.
    """
    settings = settings or StoreSettings()
    match location.scheme:
        case "file":
            from harvester.cloud.directory import DirectoryStore

            return DirectoryStore(location, settings)
        case "s3":
            from harvester.cloud.s3_store import S3Store

            return S3Store(location, settings)
        case "gs":
            from harvester.cloud.gcs_store import GcsStore

            return GcsStore(location, settings)


def load_fetcher(scheme: str) -> None:
    """Load the code behind ``open_fetcher``, for a process that has time before it is told what to fetch."""
    importlib.import_module("harvester.cloud.directory" if scheme == "file" else "harvester.cloud.bucket_fetcher")


def open_fetcher(transport: Transport, spool_directory: str, spool_from: int = 4 * MEBIBYTE) -> Fetcher:
    """Return a fetcher; bodies of ``spool_from`` bytes and more go to files in ``spool_directory``."""
    if transport.scheme == "file":
        from harvester.cloud.directory import DirectoryFetcher, DirectoryTransport

        assert isinstance(transport, DirectoryTransport)  # noqa: S101  # the scheme says so; narrows the type
        return DirectoryFetcher(transport, spool_directory, spool_from)
    from harvester.cloud.bucket_fetcher import BucketFetcher
    from harvester.cloud.transports import GcsTransport, S3Transport

    assert isinstance(transport, S3Transport | GcsTransport)  # noqa: S101  # as above
    return BucketFetcher(transport, spool_directory, spool_from)
