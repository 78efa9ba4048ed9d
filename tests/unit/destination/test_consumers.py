"""Consumers: filters, what counts as passed, and acknowledgements that never go backwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.destination.consumer_store import ConsumerProgress, passed_by_all
from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import ConsumerRow, LandedRow
from harvester.destination.manifest.source_binding import SourceBinding
from harvester.destination.positions import BEGINNING, Position, end_of
from harvester.destination.row_filter import CompiledFilter, RowFilter
from harvester.errors import ForeignPosition, IntegrityError, UsageError

DEST = Path("dest")


def row(seq: int, shape: str | None = "jsonl", **changes: object) -> LandedRow:
    landed = LandedRow(
        f"p/{seq}.x", "etag", 10, 1000.0, f"{seq}.x", 30, 7, "digest", seq, 1, 2.5, shape, "gzip", f"t{seq}", "success",
        3, "delivered", 0, 0,
    )  # fmt: skip
    return landed._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[Manifest]:
    with Manifest(tmp_path / "manifest.sqlite") as opened:
        opened.bind(SourceBinding("s3://bucket/p/", "", keep_compressed=False), DEST)
        opened.record([row(1), row(2, "extract"), row(3)], [])
        yield opened


def progress(manifest: Manifest, position: Position, wanted: RowFilter | None = None) -> ConsumerProgress:
    text = (wanted or RowFilter()).to_json()
    return ConsumerProgress(manifest, ConsumerRow("one", text, position, 0.0, None))


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        (RowFilter(), True),
        (RowFilter(include=("1.*",)), True),
        (RowFilter(include=("p/1.*",)), False),
        (RowFilter(exclude=("*.x",)), False),
        (RowFilter(since=1000.0), True),
        (RowFilter(since=1000.5), False),
        (RowFilter(until=1000.0), False),
        (RowFilter(shapes=("jsonl", "csv")), True),
        (RowFilter(shapes=("csv",)), False),
        (RowFilter(statuses=("SUCCESS",)), True),
        (RowFilter(statuses=("failed",)), False),
        (RowFilter(tasks=("t1",)), True),
        (RowFilter(tasks=("t2",)), False),
        (RowFilter(agents=("amazon",)), True),
        (RowFilter(agents=("amazon", "ebay")), True),
    ],
)
def test_objects_are_chosen_by_what_the_manifest_knows(wanted: RowFilter, selected: bool) -> None:
    assert CompiledFilter(wanted, "p/").selects(row(1)) is selected
    assert RowFilter.from_json(wanted.to_json()) == wanted


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        (b'{"metadata":{"agent":"amazon"}}', True),
        (b'{"metadata":{"agent":"ebay"}}', False),
        (b'{"metadata":{"agent":7}}', False),
        (b'{"metadata":{"agent":' + b"[" * 998 + b"]" * 998 + b"}}", False),
        (b'{"metadata":{}}', False),
        (b"[]", False),
    ],
)
def test_rows_are_chosen_by_their_agent(text: bytes, selected: bool) -> None:
    assert CompiledFilter(RowFilter(agents=("amazon",)), "").selects_row(text) is selected
    assert CompiledFilter(RowFilter(), "").selects_row(text)


@given(st.text(max_size=20))
def test_a_stored_filter_that_is_none_is_an_integrity_error(text: str) -> None:
    try:
        RowFilter.from_json(text)
    except IntegrityError:
        return
    raise AssertionError("no filter is made of such text")


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="no shape"):
        RowFilter(shapes=("jsonl", "nothing"))


def test_the_end_of_a_jobs_file_is_what_passes_it(manifest: Manifest) -> None:
    (epoch,) = (each.epoch for each in manifest.epochs())
    tables = RowFilter(shapes=("jsonl",))
    for position, wanted, passed in [
        (BEGINNING, None, []),
        (BEGINNING, tables, [2]),
        (Position(epoch, 1, 2), None, []),
        (end_of(epoch, 1), None, [1]),
        # An envelope is its only row.
        (Position(epoch, 2, 0), None, [1, 2]),
        (Position(epoch, 3, 2), None, [1, 2]),
        (end_of(epoch, 3), None, [1, 2, 3]),
    ]:
        reader = progress(manifest, position, wanted)
        assert [each.seq for each in manifest.landed_by_seq() if reader.has_passed(each)] == passed
        assert [each.seq for each in manifest.landed_by_seq() if passed_by_all(each, [reader])] == passed
    media = row(9, None, rows=None)
    assert not progress(manifest, end_of(epoch, 3)).has_passed(media)
    assert not progress(manifest, end_of(epoch, 3)).wants(media)
    first, last = progress(manifest, end_of(epoch, 1)), progress(manifest, end_of(epoch, 3))
    assert [each.seq for each in manifest.landed_by_seq() if passed_by_all(each, [first, last])] == [1]
    assert passed_by_all(row(3), [])


def test_acknowledgements_move_forward_only(manifest: Manifest) -> None:
    (epoch,) = (each.epoch for each in manifest.epochs())
    table = manifest.consumers(DEST)
    assert table.create("one", RowFilter().to_json(), BEGINNING).position == BEGINNING
    with pytest.raises(UsageError, match="already"):
        table.create("one", RowFilter().to_json(), BEGINNING)
    assert table.acknowledge("one", end_of(epoch, 2)).position == end_of(epoch, 2)
    known = table.acknowledge("one", Position(epoch, 2, 7))
    assert (known.position, known.acknowledged_at is not None) == (end_of(epoch, 2), True)
    assert table.rewind("one", Position(epoch, 1, 0)).position == Position(epoch, 1, 0)
    for move in (table.acknowledge, table.rewind):
        with pytest.raises(ForeignPosition):
            move("one", end_of(epoch, 4))
        with pytest.raises(UsageError, match="no consumer"):
            move("two", BEGINNING)
    assert table.get("one").position == Position(epoch, 1, 0)
    table.forget("one")
    assert table.all() == []
    with pytest.raises(UsageError, match="no consumer"):
        table.forget("one")


def test_two_connections_acknowledge_beside_a_writer(manifest: Manifest) -> None:
    (epoch,) = (each.epoch for each in manifest.epochs())
    with Manifest(manifest.path) as other:
        other.consumers(DEST).create("one", "{}", BEGINNING)
        manifest.record([row(4)], [])
        assert other.consumers(DEST).acknowledge("one", end_of(epoch, 4)).position.seq == 4
    assert manifest.consumers(DEST).get("one").position == end_of(epoch, 4)


def test_a_consumer_that_is_there_stays_as_it_is(manifest: Manifest) -> None:
    table = manifest.consumers(DEST)
    assert table.create_if_absent("one", RowFilter().to_json(), BEGINNING)
    first = manifest.epochs()[0]
    moved = table.acknowledge("one", end_of(first.epoch, first.last_seq))
    assert not table.create_if_absent("one", RowFilter(shapes=("csv",)).to_json(), BEGINNING)
    assert table.get("one") == moved
    with pytest.raises(UsageError, match="already"):
        table.create("one", RowFilter().to_json(), BEGINNING)
