"""S3 Inventory: a manifest, and the files of the bucket's objects that it names, each with its MD5.

Source: Amazon S3 User Guide, "Cataloging and analyzing your data with S3 Inventory": `manifest.checksum` beside the
manifest is the MD5 of its content; the keys of CSV files are URL-encoded, those of Parquet files are not.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.extras import PARQUET, require_extra
from harvester.storage.page_checks import MAX_SIZE

MANIFEST_NAME = "manifest.json"
CHECKSUM_NAME = "manifest.checksum"
_MD5 = re.compile(r"[0-9a-fA-F]{32}\Z")
_MOST_BYTES = 64 * 1024 * 1024
_BLOCK = 1024 * 1024
_MOST_DIGITS = 15


class InventoryFile(NamedTuple):
    """One file of an inventory."""

    key: str
    """Its key, in the bucket of the manifest."""
    size: int
    """Its bytes."""
    md5: str
    """MD5 of its content, hexadecimal."""


class S3Inventory(NamedTuple):
    """What a manifest describes."""

    bucket: str
    """The bucket whose objects are listed."""
    format: Literal["CSV", "Parquet"]
    """The format of the files."""
    columns: tuple[str, ...]
    """The columns of CSV files, in order; empty for Parquet, which names them itself."""
    files: tuple[InventoryFile, ...]
    """The files."""
    begun_at: float | None = None
    """When S3 began to list the bucket, seconds since the epoch; None where the manifest does not state it."""


def read_inventory(manifest: bytes, checksum: bytes, url: str, bucket: str) -> S3Inventory:
    """Return what the manifest at ``url`` describes, for the objects of ``bucket``.

    Raises IntegrityError where its MD5 is not the one of ``checksum`` or it is no manifest, UsageError for another
    bucket or a format that is not read, ConfigurationError for Parquet without its extra.
    """
    stated = checksum.decode("ascii", "replace").strip().lower()
    if not _MD5.match(stated) or md5_of(manifest) != stated:
        raise damaged(url, f"its MD5 is not the one that {CHECKSUM_NAME} states")
    try:
        document = json.loads(manifest)
        found = S3Inventory(
            _string(document["sourceBucket"]),
            document["fileFormat"],
            tuple(name.strip() for name in _string(document["fileSchema"]).split(",")),
            tuple(_file(each) for each in document["files"]),
            _seconds(document.get("creationTimestamp")),
        )
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise damaged(url, "it is no manifest of S3 Inventory") from error
    if found.bucket != bucket:
        raise UsageError(
            f"{url} lists the bucket {found.bucket}",
            cause=f"the location is in {bucket}",
            code=ErrorCode.INVENTORY_OF_ANOTHER_BUCKET,
            subject=url,
        )
    if found.format not in ("CSV", "Parquet"):
        raise UsageError(
            f"{url} has files of a format that is not read: {str(found.format)[:20]!r}",
            cause="no reader of ORC is installed by any extra; an inventory can be configured as CSV or Parquet",
            code=ErrorCode.INVENTORY_FORMAT_UNSUPPORTED,
            subject=url,
        )
    if found.format == "Parquet":
        require_extra(PARQUET, feature="an inventory in Parquet")
        return found._replace(columns=())
    if not {"Bucket", "Key"} <= set(found.columns) or len(set(found.columns)) != len(found.columns):
        raise damaged(url, "its columns have no Bucket and Key, or a column twice")
    return found


def read_small(path: Path, url: str) -> bytes:
    """Return the content of a manifest or checksum. Raises IntegrityError for one that is too long to be one."""
    if path.stat().st_size > _MOST_BYTES:
        raise damaged(url, f"it has more than {_MOST_BYTES:,} bytes")
    return path.read_bytes()


def check_file(path: Path, file: InventoryFile, url: str) -> None:
    """Raise IntegrityError for a file that is not what the manifest names."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != file.md5:
        raise damaged(url, "its MD5 is not the one that the manifest states")


def md5_of(content: bytes) -> str:
    """Return the MD5 of some bytes, hexadecimal."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def damaged(url: str, cause: str) -> IntegrityError:
    """Return the error for an inventory that cannot be trusted."""
    return IntegrityError(
        f"{url} is not what S3 Inventory wrote", cause=cause, code=ErrorCode.KEY_LIST_DAMAGED, subject=url
    )


def _file(fields: Any) -> InventoryFile:
    key, size, md5 = _string(fields["key"]), fields["size"], _string(fields["MD5checksum"]).lower()
    if not key or isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_SIZE:
        raise ValueError
    if not _MD5.match(md5):
        raise ValueError
    return InventoryFile(key, size, md5)


def _seconds(milliseconds: Any) -> float | None:
    if milliseconds is None:
        return None
    text = _string(milliseconds)
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ValueError
    return int(text) / 1000


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value
