"""The rows of an inventory's files as entries of a key list.

A row describes an object where it has size, ETag and time; else the object is asked for. Delete markers and versions
that are not the latest are no objects: they are skipped and counted.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, cast
from urllib.parse import unquote_plus

from harvester.storage.base import ObjectRef, RefusedObject
from harvester.storage.keys.plain_keys import described_object
from harvester.storage.keys.s3_inventory import S3Inventory, damaged
from harvester.storage.page_checks import INVALID_KEY, INVALID_SIZE, OUTSIDE_PREFIX, checked_size

DELETE_MARKERS = "delete_marker"
OLD_VERSIONS = "old_version"
_LONGEST_LINE = 65_536
_BATCH_ROWS = 4_096
_MOST_GROUP_BYTES = 2 * 1024**3
_SHOWN = 200
_FLAGS: Final = {"true": True, "false": False, "": None}
_PARQUET_COLUMNS: Final = {
    "bucket": "Bucket",
    "key": "Key",
    "is_latest": "IsLatest",
    "is_delete_marker": "IsDeleteMarker",
    "size": "Size",
    "last_modified_date": "LastModifiedDate",
    "e_tag": "ETag",
    "storage_class": "StorageClass",
}
_Entry = str | ObjectRef | RefusedObject


def file_entries(path: Path, inventory: S3Inventory, url: str, skipped: Counter[str]) -> Iterator[_Entry]:
    """Yield the entries of one file; ``skipped`` counts its rows that are no objects.

    Raises IntegrityError for content that cannot be read, ConfigurationError where reading it needs an extra.
    """
    rows = _csv_rows(path, inventory, url) if inventory.format == "CSV" else _parquet_rows(path, url)
    for row in rows:
        entry = row if isinstance(row, RefusedObject) else _entry(row, inventory.bucket, skipped)
        if entry is not None:
            yield entry


def _entry(row: dict[str, Any], bucket: str, skipped: Counter[str]) -> _Entry | None:
    key = row["Key"]
    if row["Bucket"] != bucket:
        return RefusedObject(key, OUTSIDE_PREFIX)
    if row.get("IsDeleteMarker"):
        skipped[DELETE_MARKERS] += 1
        return None
    if row.get("IsLatest") is False:
        skipped[OLD_VERSIONS] += 1
        return None
    return described_object(key, row.get("Size"), row.get("ETag"), row.get("LastModifiedDate"), row.get("StorageClass"))


def _csv_rows(path: Path, inventory: S3Inventory, url: str) -> Iterator[dict[str, Any] | RefusedObject]:
    width = len(inventory.columns)
    try:
        with gzip.open(path) as stream:
            for line in _lines(cast("IO[bytes]", stream)):
                text = line.decode("utf-8", "surrogateescape")
                try:
                    fields = next(csv.reader([text], strict=True), [])
                except csv.Error:
                    fields = []
                if len(fields) != width:
                    yield RefusedObject(text[:_SHOWN], INVALID_KEY)
                else:
                    yield _typed(dict(zip(inventory.columns, fields, strict=True)))
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(url, f"it cannot be inflated: {error}") from error


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(_LONGEST_LINE):
        whole = line.endswith(b"\n") or len(line) < _LONGEST_LINE
        while not whole and (rest := stream.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
            pass
        line = line.rstrip(b"\r\n")
        if line:
            yield line


def _typed(fields: dict[str, Any]) -> dict[str, Any] | RefusedObject:
    """Return a row of CSV with the types that Parquet has."""
    fields["Key"] = unquote_plus(fields["Key"], errors="surrogateescape")
    for name in ("IsLatest", "IsDeleteMarker"):
        if fields.get(name) is not None:
            flag = fields[name].lower()
            if flag not in _FLAGS:
                return RefusedObject(fields["Key"], INVALID_KEY)
            fields[name] = _FLAGS[flag]
    size = fields.get("Size")
    if size:
        fields["Size"] = checked_size(size)
        if fields["Size"] is None:
            return RefusedObject(fields["Key"], INVALID_SIZE)
    else:
        fields["Size"] = None
    return fields


def _parquet_rows(path: Path, url: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
        present = [name for name in _PARQUET_COLUMNS if name in parquet.schema_arrow.names]
        if not {"bucket", "key"} <= set(present):
            raise damaged(url, "its columns have no bucket and key")
        groups = [parquet.metadata.row_group(number) for number in range(parquet.metadata.num_row_groups)]
        if any(group.total_byte_size > _MOST_GROUP_BYTES for group in groups):
            raise damaged(url, f"a row group has more than {_MOST_GROUP_BYTES:,} bytes")
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, columns=present, use_threads=False):
            columns = [_values(batch.column(name)) for name in present]
            for values in zip(*columns, strict=True):
                yield dict(zip((_PARQUET_COLUMNS[name] for name in present), values, strict=True))
    except (pa.ArrowException, OSError) as error:
        raise damaged(url, f"it is no Parquet file that can be read ({type(error).__name__})") from error


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind):
        return [None if moment is None else moment.isoformat() for moment in column.to_pylist()]
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        stored = column.cast(pa.large_binary()).to_pylist()
        return [None if each is None else each.decode("utf-8", "surrogateescape") for each in stored]
    values: list[Any] = column.to_pylist()
    return values
