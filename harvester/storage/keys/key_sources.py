"""Key lists in files: plain ones, and S3 Inventory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage.base import ObjectRef, RefusedObject
from harvester.storage.keys.inventory_rows import file_entries
from harvester.storage.keys.key_selection import KeyList
from harvester.storage.keys.plain_keys import plain_entries
from harvester.storage.keys.s3_inventory import (
    CHECKSUM_NAME,
    MANIFEST_NAME,
    S3Inventory,
    check_file,
    read_inventory,
    read_small,
)
from harvester.storage.keys.stored_file import fetch_file, is_bucket_url

_Entry = str | ObjectRef | RefusedObject


def read_key_list(source: str, location: Location, settings: StoreSettings | None = None) -> KeyList:
    """Return the keys of a file, or of the S3 Inventory whose ``manifest.json`` is named, for ``location``.

    A file is local or ``s3://`` or ``gs://``: one whole key a line, or, where its name ends in ``.jsonl``, JSON Lines
    with ``key`` and maybe ``size``, ``etag`` and ``last_modified``; either may be compressed with gzip. It is read
    anew by each run, in memory that does not grow with it.

    Raises UsageError for a source that cannot be read or is of another bucket, IntegrityError for an inventory whose
    checksums differ, and what fetching raises.
    """
    settings = settings or StoreSettings()
    if source.rpartition("/")[2] != MANIFEST_NAME:
        _check_readable(source)
        return KeyList(_PlainList(source, settings))
    if not is_bucket_url(source):
        raise UsageError(
            f"{source} is not in a bucket",
            cause="the files that a manifest names are read from its bucket",
            code=ErrorCode.INVENTORY_FORMAT_UNSUPPORTED,
            subject=source,
        )
    folder = source.rpartition("/")[0]
    with TemporaryDirectory(prefix="nimble-inventory-") as scratch:
        manifest, checksum = (
            read_small(fetch_file(url, settings, Path(scratch)), url) for url in (source, f"{folder}/{CHECKSUM_NAME}")
        )
    inventory = read_inventory(manifest, checksum, source, location.bucket)
    skipped: Counter[str] = Counter()
    return KeyList(_InventoryList(inventory, source, settings, skipped), skipped, inventory.begun_at)


def _check_readable(source: str) -> None:
    """Raise UsageError for a local file that cannot be opened: before anything is locked."""
    if is_bucket_url(source):
        return
    try:
        with Path(source).open("rb"):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot read {source}",
            cause=error.strerror or str(error),
            code=ErrorCode.FILE_UNREADABLE,
            subject=source,
        ) from error


class _PlainList:
    """The entries of a plain list, read anew each time."""

    def __init__(self, source: str, settings: StoreSettings) -> None:
        self._source = source
        self._settings = settings

    def __iter__(self) -> Iterator[_Entry]:
        if not is_bucket_url(self._source):
            yield from plain_entries(Path(self._source), self._source)
            return
        with TemporaryDirectory(prefix="nimble-keys-") as scratch:
            yield from plain_entries(fetch_file(self._source, self._settings, Path(scratch)), self._source)


class _InventoryList:
    """The entries of an inventory, read anew each time, one file after the other."""

    def __init__(self, inventory: S3Inventory, source: str, settings: StoreSettings, skipped: Counter[str]) -> None:
        self._inventory = inventory
        self._bucket = "/".join(source.split("/")[:3])
        self._settings = settings
        self._skipped = skipped

    def __iter__(self) -> Iterator[_Entry]:
        self._skipped.clear()
        for file in self._inventory.files:
            url = f"{self._bucket}/{file.key}"
            with TemporaryDirectory(prefix="nimble-inventory-") as scratch:
                path = fetch_file(url, self._settings, Path(scratch))
                check_file(path, file, url)
                yield from file_entries(path, self._inventory, url, self._skipped)
