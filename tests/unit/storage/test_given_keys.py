"""Lists of keys: any bytes are keys or refused, and what is sorted on disk comes back as it was given."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import HarvesterError
from harvester.location import parse_location
from harvester.storage.base import ObjectRef, RefusedObject
from harvester.storage.keys.inventory_rows import file_entries
from harvester.storage.keys.key_selection import KeyPrefixes, KeyRange, listing_scopes
from harvester.storage.keys.key_spool import KeySpool, check_given
from harvester.storage.keys.plain_keys import plain_entries
from harvester.storage.keys.s3_inventory import S3Inventory, read_inventory

HERE = parse_location("s3://bucket/results/")
COLUMNS = ("Bucket", "Key", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass")
INVENTORY = S3Inventory("bucket", "CSV", COLUMNS, ())
ANY_TEXT = st.text(st.characters(), max_size=12)
FIELDS = st.sampled_from(
    ["bucket", "results/a", "true", "false", "", "7", "-1", "1e9", "2026-11-30T10:00:00Z", '"', "%FF", "tag"]
)
ENTRIES = st.lists(
    ANY_TEXT.map("results/".__add__)
    | ANY_TEXT
    | st.builds(ObjectRef, ANY_TEXT.map("results/".__add__), st.integers(), ANY_TEXT, st.floats(), st.just("STANDARD")),
    max_size=30,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "list"


def check_entry(entry: str | ObjectRef | RefusedObject) -> None:
    checked = check_given(entry, HERE)
    if isinstance(checked, RefusedObject):
        assert checked.reason
        checked.key.encode("utf-8", "surrogateescape")
        return
    key = checked if isinstance(checked, str) else checked.key
    assert key.startswith("results/")
    assert len(key.encode()) <= 1024
    if isinstance(checked, ObjectRef):
        assert 0 <= checked.size < 2**63
        checked.etag.encode()


@given(st.binary(max_size=200), st.sampled_from(["keys.txt", "keys.jsonl"]))
def test_any_bytes_are_entries(file: Path, content: bytes, name: str) -> None:
    file.write_bytes(content)
    try:
        for entry in plain_entries(file, name):
            check_entry(entry)
    except HarvesterError:
        assert content.startswith(b"\x1f\x8b")


@given(st.lists(FIELDS | ANY_TEXT, max_size=10), st.booleans())
def test_any_row_of_an_inventory_is_an_entry(file: Path, fields: list[str], quoted: bool) -> None:  # drawn
    line = ",".join(f'"{field}"' if quoted else field for field in fields)
    file.write_bytes(gzip.compress(line.encode("utf-8", "surrogatepass")))
    for entry in file_entries(file, INVENTORY, "s3://inventories/file", Counter()):
        check_entry(entry)


@given(
    st.recursive(
        st.none() | st.integers() | ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_manifest_is_one_or_refused(document: object) -> None:
    import hashlib

    manifest = json.dumps(document).encode()
    checksum = hashlib.md5(manifest, usedforsecurity=False).hexdigest().encode()
    with pytest.raises(HarvesterError):
        read_inventory(manifest, checksum, "s3://inventories/manifest.json", "bucket")


@given(ENTRIES)
def test_entries_come_back_sorted_and_once(entries: list[str | ObjectRef]) -> None:
    with KeySpool(HERE) as spool:
        spool.fill(entries)
        found = list(spool.in_order())
        assert spool.given == len(entries)
        assert spool.distinct == len(found)
    expected: dict[str, str | ObjectRef | RefusedObject] = {}
    for entry in entries:
        checked = check_given(entry, HERE)
        expected[checked if isinstance(checked, str) else checked.key] = checked
    assert Counter(map(repr, found)) == Counter(map(repr, expected.values()))
    keys = [each if isinstance(each, str) else each.key for each in found]
    assert keys == sorted(keys, key=lambda key: key.encode("utf-8", "surrogatepass"))


KEYS = st.text("abc/", max_size=4).map("p/".__add__)


@given(KEYS | st.just(""), st.none() | KEYS, KEYS)
def test_a_range_lists_what_it_holds(after: str, through: str | None, key: str) -> None:
    (scope,) = listing_scopes("p/", KeyRange(after, through))

    assert KeyRange(after, through).holds(key) == (key >= scope.start and (scope.end is None or key < scope.end))


@given(st.sets(st.sampled_from(["p/a/", "p/b/", "p/ab/"]), min_size=1), KEYS)
def test_prefixes_list_what_begins_with_them(prefixes: set[str], key: str) -> None:
    scopes = listing_scopes("p/", KeyPrefixes(tuple(prefixes)))

    listed = [scope for scope in scopes if key >= scope.start and scope.end is not None and key < scope.end]
    assert [scope.prefix for scope in listed] == sorted(each for each in prefixes if key.startswith(each))
