"""Whatever files a listing holds, good ones land whole, and each of the others has one recorded outcome.

The store, the session and its worker process are the real ones; the source is a folder.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harvester.destination.manifest.manifest import Manifest
from harvester.destination.row_filter import RowFilter
from harvester.destination.rows import ReadAccount, read
from harvester.location import parse_location
from harvester.results.record import Shape
from harvester.results.result_options import ResultOptions
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.session import SyncSession, open_session
from harvester.transfer.sync_report import ObjectEvent
from scripts.servers.hostile_s3 import result
from tests.hostile.payload_cases import HOSTILE_PAYLOADS

GOOD = {"0.json": result(0), "m.json.gz": gzip.compress(result(1), mtime=0), "zz.jsonl": b'{"n": 1}\n{"n": 2}\n'}
LANDED = {"0.json": result(0), "m.json": result(1), "zz.jsonl": GOOD["zz.jsonl"]}
LIMITS = ResultOptions(max_content_bytes=9 << 20, max_ratio=50)


class Delivered(NamedTuple):
    """A file that is bad, or may be."""

    name: str
    body: bytes
    outcome: str = ""
    """Its outcome where it is certain."""

    def __repr__(self) -> str:
        return f"Delivered({self.name!r}, {self.body[:60]!r} of {len(self.body)} bytes, {self.outcome!r})"


def parquet_of(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def page(text: str) -> bytes:
    return json.dumps({"url": "https://e.com", "data": {"html": text}}).encode()


@cache
def parquet() -> bytes:
    return parquet_of({"n": range(100), "text": ["x" * number for number in range(100)]})


@cache
def certain_outcomes() -> list[Delivered]:
    """Return files beyond one limit only, of the content or of its ratio to what was delivered; odd ends; odd names."""
    block = Random(1).randbytes(1 << 18).hex()
    large, bomb = block * 19, "0" * (17 << 19)
    name = "without-utf-8"
    return [
        Delivered("large.json", page(large), "quarantined"),
        Delivered("large.json.gz", gzip.compress(page(large), 1), "quarantined"),
        Delivered("large.parquet", parquet_of({"t": [large]}, use_dictionary=False, compression="zstd"), "quarantined"),
        Delivered("bomb.json.gz", gzip.compress(page(bomb), 1), "quarantined"),
        Delivered("bomb.parquet", parquet_of({"t": [bomb]}, use_dictionary=False, compression="zstd"), "quarantined"),
        Delivered("trailing.json.gz", gzip.compress(result(0)) + b"\x1f", "quarantined"),
        Delivered("labels.json", b'{"url": "u", "task_id": "\\ud800", "status": "\\udfff", "data": {}}'),
        Delivered("run.json", b'{"run": null, "output": {}}'),
        Delivered("quotes.parquet", parquet_of({'a"b': [1], "c\\d": [2]}), "landed"),
        Delivered(
            "names.parquet",
            parquet_of({name: [1]}, store_schema=False).replace(name.encode(), b"\xff" * len(name)),
            "quarantined",
        ),
    ]


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
    *(gzip.compress(bytes(1 << 24)), gzip.compress(b"[" + b"1," * (1 << 15) + b"1]")),
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
EVERY_KIND = [
    *certain_outcomes(),
    *(
        Delivered(f"c{place}-{case.key.rpartition('/')[2]}", listed_case(place), case.outcome.partition(",")[0])
        for place, case in enumerate(HOSTILE_PAYLOADS)
    ),
    *(
        Delivered(f"b{place}{ending}", body)
        for place, body in enumerate(ODD)
        for ending in (".json", ".jsonl", ".csv", ".parquet", ".png", "")
    ),
]
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
@example(EVERY_KIND)
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
    stated: dict[str, int] = {}
    broken: set[str] = set()
    with Manifest(landing.destination / ".nimble-harvester" / "manifest.sqlite", readonly=True) as manifest:
        for event in events:
            landed, problem = manifest.landed_row(event.key), manifest.problem(event.key)
            assert (landed is not None) == (event.outcome == "landed")
            assert landed is not None or problem is not None or event.outcome == "ignored"
            if landed is not None and landed.shape not in (None, Shape.MEDIA):
                stated[event.key] = 1 if landed.rows is None else landed.rows
                broken |= set() if problem is None else {event.key}
    account = ReadAccount()
    wanted = RowFilter(include=(f"{folder}/*",))
    handed_on = Counter(row.key for row in read(landing.destination, wanted=wanted, account=account))
    # Landed rows that are broken are counted, and not handed on.
    differing = {key for key in stated if handed_on[key] != stated[key]}
    assert (account.unreadable, differing, handed_on.keys() - stated) == ([], broken, set())
