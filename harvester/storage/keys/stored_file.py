"""Fetch one object of a bucket into a local file."""

from __future__ import annotations

import secrets
from pathlib import Path

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, UsageError
from harvester.location import parse_location
from harvester.sessions import Login, StoreSettings
from harvester.storage.base import FetchFailure, FetchRequest, ObjectRef, Store
from harvester.storage.opening import open_fetcher, open_store
from harvester.storage.service_errors import ServiceError, harvester_error

_POLL_SECONDS = 1.0


def is_bucket_url(source: str) -> bool:
    """Return whether ``source`` names an object of a bucket, not a local file."""
    return source.startswith(("s3://", "gs://"))


def fetch_file(url: str, settings: StoreSettings, directory: Path) -> Path:
    """Fetch ``s3://bucket/key`` or ``gs://bucket/key`` whole, its checksums compared, and return the local file.

    Raises UsageError where there is no such object, and what a store raises that refuses it.
    """
    folder, _, _ = url.rpartition("/")
    location = parse_location(f"{folder}/")
    key = location.key(url[len(folder) + 1 :])
    store = open_store(location, settings)
    found = store.head(key)
    if found is None:
        raise UsageError(f"there is no {url}", code=ErrorCode.FILE_UNREADABLE, subject=url)
    return _fetch(store, found, url, directory)


def _fetch(store: Store, found: ObjectRef, url: str, directory: Path) -> Path:
    fetcher = open_fetcher(store.connection(), str(directory), 0)
    try:
        fetcher.submit(FetchRequest(*found[:4]))
        while not (results := fetcher.poll(_POLL_SECONDS)):
            if fetcher.needs_credentials:
                fetcher.renew(store.connection(renew=True))
        result = results[0]
        if result.failure is not None:
            raise _error(result.failure, url)
        if result.spool is not None:
            return Path(result.spool)
        path = directory / secrets.token_hex(8)
        path.write_bytes(result.body or b"")
        return path
    finally:
        fetcher.close()


def _error(failure: FetchFailure, url: str) -> HarvesterError:
    reached = failure.cause not in (Cause.NETWORK, Cause.TIMEOUT)
    status = 400 if reached else 0
    error = ServiceError(
        failure.cause, failure.code, failure.detail, failure.request_id, status, retryable=True, expired=False
    )
    return harvester_error(f"cannot fetch {url}", error, url=url, login=Login("", None))
