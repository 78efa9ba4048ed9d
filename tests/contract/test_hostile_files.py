"""Whatever files a listing holds, good ones land whole, and each of the others has one recorded outcome.

The store, the session and its worker process are the real ones; the source is a folder.
"""

from __future__ import annotations

import gzip
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.destination.manifest.manifest import Manifest
from harvester.destination.row_filter import RowFilter
from harvester.destination.rows import ReadAccount, read
from harvester.location import parse_location
from harvester.results.result_options import ResultOptions
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.session import SyncSession, open_session
from harvester.transfer.sync_report import ObjectEvent
from scripts.servers.hostile_s3 import result
from tests.hostile.payload_cases import HOSTILE_PAYLOADS

GOOD = {"0.json": result(0), "m.json.gz": gzip.compress(result(1), mtime=0), "zz.jsonl": b'{"n": 1}\n{"n": 2}\n'}
LANDED = {"0.json": result(0), "m.json": result(1), "zz.jsonl": GOOD["zz.jsonl"]}
LIMITS = ResultOptions(max_content_bytes=1 << 22, max_ratio=50)


class Delivered(NamedTuple):
    """A file that is bad, or may be."""

    name: str
    body: bytes
    outcome: str = ""
    """Its outcome where it is certain."""


@cache
def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": range(100), "text": ["x" * number for number in range(100)]}), sink)
    return sink.getvalue()


@cache
def listed_case(place: int) -> bytes:
    return HOSTILE_PAYLOADS[place].make()


def cut(body: bytes, at: int, new: bytes) -> bytes:
    del new
    return body[: at % (len(body) + 1)]


def replace(body: bytes, at: int, new: bytes) -> bytes:
    start = at % (len(body) + 1)
    return body[:start] + new + body[start + len(new) :]


def replace_near_end(body: bytes, at: int, new: bytes) -> bytes:
    """Replace bytes in the footer of Parquet, the trailer of gzip, the last row."""
    start = max(0, len(body) - 1 - at % 400)
    return body[:start] + new + body[start + len(new) :]


def insert(body: bytes, at: int, new: bytes) -> bytes:
    start = at % (len(body) + 1)
    return body[:start] + new + body[start:]


HONEST = (result(3), b'{"a": 1}\n{"b": [2]}\n', b"id,name\n1,Ann\n2,Bob\n", b"[{}]")
ODD = (
    *(b"", b"[" * 100_000, b"9" * 5_000, b"{" * 3_000 + b"}" * 3_000, b"\r\n" * 50),
    *(b"PAR1\xff\xff\xff\xffPAR1", b"\x1f\x8b" + bytes(50)),
    *(gzip.compress(bytes(1 << 24)), gzip.compress(b"[" + b"1," * (1 << 20) + b"1]")),
)
bodies = st.sampled_from(HONEST) | st.builds(parquet)
damages: st.SearchStrategy[Callable[[bytes, int, bytes], bytes]] = st.sampled_from(
    [cut, replace, replace_near_end, insert]
)
damaged = st.builds(
    lambda body, damage, at, new: damage(body, at, new),
    bodies | bodies.map(lambda body: gzip.compress(body, mtime=0)),
    damages,
    st.integers(0, 1 << 12),
    st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff\xff\xff\x7f", bytes(8), b"\xed\xa0\x80", b"}", b'"']),
)
contents = st.one_of(
    damaged,
    damaged.map(lambda body: gzip.compress(body, mtime=0)),
    st.binary(max_size=200),
    # By number: a strategy that shows its values is long.
    st.integers(0, len(ODD) - 1).map(lambda place: ODD[place]),
)
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=20)
names = st.builds(
    lambda number, text, ending: f"b{number}-{text}{ending}",
    st.integers(0, 99),
    NAMES | st.sampled_from(["..", " ", "\n", "\x1b[2J", "CON", "a\\b", "%2e%2e", "x" * 150, "\ufffe", "é", "e\u0301"]),
    st.sampled_from([".json", ".json.gz", ".jsonl", ".csv", ".csv.gz", ".parquet", ".png", ".JSON", ".", "", " "]),
)
listed = st.builds(
    lambda number, place: Delivered(
        f"c{number}-{HOSTILE_PAYLOADS[place].key.rpartition('/')[2]}",
        listed_case(place),
        HOSTILE_PAYLOADS[place].outcome.partition(",")[0],
    ),
    st.integers(0, 99),
    st.integers(0, len(HOSTILE_PAYLOADS) - 1),
)
drawn = st.tuples(names, contents).map(lambda found: Delivered(*found))
files = st.lists(drawn | listed, min_size=1, max_size=25, unique_by=lambda found: found.name)


class Landing:
    """An open session that lands one folder after the other."""

    def __init__(self, source: Path, destination: Path, session: SyncSession, events: list[ObjectEvent]) -> None:
        self.destination = destination
        self._source, self._session, self._events = source, session, events
        self._example = 0

    def land(self, delivered: list[Delivered]) -> tuple[str, list[ObjectEvent]]:
        """Put files beside the good ones and land all; return their folder, and the events."""
        self._example += 1
        name = str(self._example)
        folder = self._source / name
        folder.mkdir()
        for found in [*delivered, *(Delivered(*each) for each in GOOD.items())]:
            (folder / found.name).write_bytes(found.body)
        self._events.clear()
        store = self._session.store
        pages = store.list_pages(prefix=f"{store.location.prefix}{name}/")
        self._session.land([ref for page in pages for ref in page.objects])
        return name, list(self._events)


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Landing]:
    source, events = tmp_path / "source", list[ObjectEvent]()
    source.mkdir()
    options = SyncOptions(workers=1, result=LIMITS)
    with open_session(
        parse_location(f"file://{source}/"), tmp_path / "dest", options, observer=Observer(event=events.append)
    ) as session:
        yield Landing(source, tmp_path / "dest", session, events)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files)
def test_no_file_harms_another(landing: Landing, delivered: list[Delivered]) -> None:
    folder, events = landing.land(delivered)
    written = [os.fsencode(found.name) for found in delivered] + [os.fsencode(name) for name in GOOD]
    names = [os.fsencode(event.key.rpartition("/")[2]) for event in events]
    assert Counter(names) == Counter(written)
    outcomes = {name: event.outcome for name, event in zip(names, events, strict=True)}
    assert set(outcomes.values()) <= {"landed", "quarantined", "refused", "ignored"}
    for name, content in LANDED.items():
        assert (landing.destination / folder / name).read_bytes() == content
    for found in delivered:
        assert found.outcome in ("", outcomes[os.fsencode(found.name)]), found.name
    with Manifest(landing.destination / ".nimble-harvester" / "manifest.sqlite", readonly=True) as manifest:
        for event in events:
            kept = (manifest.landed_row(event.key) is not None, manifest.problem(event.key) is not None)
            assert any(kept) or event.outcome == "ignored"
    account = ReadAccount()
    rows = list(read(landing.destination, wanted=RowFilter(include=(f"{folder}/*",)), account=account))
    assert (account.unreadable, len(rows) >= 4) == ([], True)
