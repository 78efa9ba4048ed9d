"""Sync without a destination: rows go to an output, which alone decides what is there."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from harvester.destination import share_destination
from harvester.errors import ExitCode, HarvesterError, UsageError
from harvester.location import parse_location
from harvester.sessions import StoreSettings
from harvester.storage import KeyPrefixes, KeyRange, ListingScope
from harvester.tables import ExportOptions, count_rows, open_output, sync_to_output
from harvester.tables.direct.direct_series import DirectSeries
from harvester.tables.direct.direct_sync import DirectReport
from harvester.transfer import ExportHooks, ObjectEvent, Observer, SyncOptions, open_session
from scripts.servers.hostile_s3 import HostileS3, reversed_pages
from scripts.servers.memory_s3 import MemoryS3
from tests.e2e.sources import Directory, result

pytest.importorskip("pyarrow")


@pytest.fixture
def source(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "source")


@pytest.fixture
def out(output_url: str) -> str:
    return output_url


def harvest(
    source: Directory,
    out: str,
    keys: KeyPrefixes | None = None,
    observer: Observer | None = None,
    export: ExportOptions | None = None,
    scratch: Path | None = None,
) -> DirectReport:
    location, options = parse_location(source.location), SyncOptions(workers=1)
    return sync_to_output(location, out, options, export, keys=keys, observer=observer, scratch=scratch)


def rows_of(out: str) -> tuple[int, int]:
    with open_output(out) as store:
        counted = count_rows(store)
    return counted.rows, counted.repeated


@pytest.mark.parametrize("export", [ExportOptions(), ExportOptions(format="jsonl")], ids=["parquet", "jsonl"])
def test_a_further_run_writes_what_is_new_or_changed(source: Directory, out: str, export: ExportOptions) -> None:
    for number in range(4):
        source.put(f"{number}.json", result(number))
    source.put("rows.jsonl", b'{"a": 1}\n{"a": 2}\n')
    source.put("media.png", b"\x89PNG\r\n\x1a\n" + bytes(20))

    first = harvest(source, out, export=export)
    again = harvest(source, out, export=export)
    source.put("1.json", result(1, status="changed"))
    source.put("5.json", result(5))
    source.put("media.png", b"\x89PNG\r\n\x1a\n" + bytes(30))
    third = harvest(source, out, export=export)

    assert (first.sync.counts.landed, first.rows, first.files) == (6, 6, 1)
    assert first.sync.destination == out
    assert (again.sync.counts.unchanged, again.sync.counts.landed, again.rows, again.parts) == (6, 0, 0, 0)
    assert (third.sync.counts.unchanged, third.sync.counts.landed, third.rows, third.files) == (4, 3, 2, 1)
    assert {first.exit_code, again.exit_code, third.exit_code} == {ExitCode.OK}
    assert rows_of(out) == (8, 0)


def test_only_parts_of_the_listed_prefixes_are_read(source: Directory, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    for day in ("28", "29", "30"):
        source.put(f"{day}/a.json", result(int(day)))
        harvest(source, out, KeyPrefixes((f"{source.path}/{day}/",)))
    parts = sorted(Path(out).glob("data/envelopes/*/*"), key=lambda path: path.stat().st_mtime_ns)
    for part in parts[:2]:
        # Unreadable but for its footer.
        content = part.read_bytes()
        part.write_bytes(bytes(4) + bytes(100) + content[104:])

    report = harvest(source, out, KeyPrefixes((f"{source.path}/30/",)))

    assert (report.sync.counts.listed, report.sync.counts.unchanged) == (1, 1)


def test_the_scratch_holds_little_at_a_time(source: Directory, tmp_path: Path) -> None:
    for number in range(60):
        source.put(f"{number:02d}.json", result(number, data={"html": "x" * 20_000}))
    held: list[int] = []

    def measure(_: ObjectEvent) -> None:
        found = (tmp_path / "scratch").glob("nimble-direct-*/results/*.json")
        held.append(sum(1 for _ in found))

    out, export = str(tmp_path / "out"), ExportOptions(part_bytes=25_000)
    report = harvest(source, out, observer=Observer(event=measure), export=export, scratch=tmp_path / "scratch")

    assert (report.sync.counts.landed, report.rows) == (60, 60)
    assert max(held) < 50
    assert rows_of(out) == (60, 0)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("keys", [None, KeyRange()], ids=["all", "range"])
def test_what_the_scratch_knows_does_not_grow(source: Directory, tmp_path: Path, keys: KeyRange | None) -> None:
    for number in range(60):
        source.put(f"{number:02d}.json", result(number))
    destination, most = tmp_path / "scratch", 3
    held: list[int] = []

    def commit() -> None:
        series.commit()
        with share_destination(destination) as opened:
            held.append(opened.manifest.count_rows() - opened.manifest.dropped_rows())

    location, options = parse_location(source.location), SyncOptions(workers=1)
    with open_output(str(tmp_path / "out")) as store:
        series = DirectSeries(destination, store, kept=most)
        with open_session(location, destination, options, hooks=ExportHooks(after_bytes=1, commit=commit)) as session:
            report = session.run_listing(keys)
        series.commit()

    assert (report.error, report.counts.landed, series.rows) == (None, 60, 60)
    assert 0 < max(held) < 2 * most
    assert rows_of(str(tmp_path / "out")) == (60, 0)


class Killed(BaseException):
    """The end of a process."""


def test_killed_runs_lose_nothing_and_repeat_equal_rows(source: Directory, tmp_path: Path) -> None:
    out, draw = str(tmp_path / "out"), random.Random(5)
    for number in range(12):
        source.put(f"{number:02d}.json", result(number))
    written = 0

    def kill(_: ObjectEvent) -> None:
        nonlocal written
        written += 1
        if written == stop:
            raise Killed

    for _ in range(4):
        written, stop = 0, draw.randint(1, 8)
        with contextlib.suppress(Killed):
            harvest(source, out, observer=Observer(event=kill), export=ExportOptions(part_bytes=1))
    report = harvest(source, out)

    assert report.exit_code is ExitCode.OK
    rows, repeated = rows_of(out)
    assert rows - repeated == 12
    assert current(out) == Counter({f"task-{number}": 1 for number in range(12)})


def test_two_at_once_repeat_equal_rows_which_are_counted_and_not_current(source: Directory, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    for number in range(3):
        source.put(f"{number}.json", result(number))
    second: list[DirectReport] = []

    def interfere(_: ObjectEvent) -> None:
        if not second:
            second.append(harvest(source, out))

    first = harvest(source, out, observer=Observer(event=interfere))

    assert (first.rows, second[0].rows) == (3, 3)
    assert rows_of(out) == (6, 3)
    assert current(out) == Counter({f"task-{number}": 1 for number in range(3)})


def current(out: str) -> Counter[str]:
    duckdb = pytest.importorskip("duckdb")
    from harvester.tables import print_views

    with duckdb.connect() as database:
        database.execute(print_views([out]))
        return Counter(row[0] for row in database.execute("SELECT task_id FROM envelopes_current").fetchall())


def test_what_is_invalid_is_stored_and_reported_by_each_run(source: Directory, tmp_path: Path) -> None:
    source.put("bad.json", b'{"half')
    out = tmp_path / "out"

    for _ in range(2):
        report = harvest(source, str(out))
        assert (report.sync.counts.quarantined, report.exit_code) == (1, ExitCode.PARTIAL)
    assert [path.read_bytes() for path in out.rglob("quarantine/direct/*/*")] == [b'{"half']


def test_a_part_that_is_none_is_an_error_and_nothing_is_written(source: Directory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    source.put("a.json", result())
    harvest(source, str(out))
    (part,) = out.glob("data/envelopes/*/*")
    part.write_bytes(b"PAR1")

    with pytest.raises(HarvesterError, match="no part of an export"):
        harvest(source, str(out))


def test_delta_and_outputs_of_one_destination_are_refused(source: Directory, tmp_path: Path) -> None:
    from harvester import export, sync

    source.put("a.json", result())
    sync(source.location, tmp_path / "dest", SyncOptions(workers=1))
    export(tmp_path / "dest", str(tmp_path / "own"))
    with pytest.raises(HarvesterError, match="another destination"):
        harvest(source, str(tmp_path / "own"))
    with pytest.raises(HarvesterError, match="delta"), open_output(str(tmp_path / "new")) as store:
        DirectSeries(tmp_path / "dest", store, ExportOptions(format="delta"))


@pytest.mark.parametrize("out", ["s3://buck/tables ", "gs://buck/tables\r", "tables\r", "tables\n"])
def test_white_space_at_the_end_of_an_output_is_no_part_of_its_name(out: str) -> None:
    with pytest.raises(UsageError), open_output(out):
        pass


def test_windows_of_a_listing_cut_no_path_from_what_lies_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    names = ["r/a", "r/a/b", "r/a0", "r/b"]
    outcomes: list[ObjectEvent] = []

    def cut(scope: ListingScope) -> list[ListingScope]:
        bounds = ["r/", *(f"{name}\0" for name in names[:-1]), None]
        return [scope._replace(start=start or "", end=end) for start, end in pairwise(bounds)]

    with MemoryS3({name: result(number) for number, name in enumerate(names)}) as store:
        options, observer = SyncOptions(workers=1), Observer(event=outcomes.append)
        settings, hooks = StoreSettings(endpoint_url=store.url), ExportHooks(windows=cut)
        location = parse_location("s3://bucket/r/")
        with open_session(
            location, tmp_path / "d", options, settings=settings, observer=observer, hooks=hooks
        ) as session:
            report = session.run_listing()

    assert (report.exit_code, report.counts.landed) == (ExitCode.OK, 4)
    paths = {event.key: event.path for event in outcomes}
    assert (paths["r/a"], paths["r/a0"], paths["r/b"]) == ("a", "a0", "b")
    assert paths["r/a/b"] != "a/b"


def test_a_store_without_order_is_listed_again_and_its_versions_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    objects = {f"r/{number}.json": result(number) for number in range(5)}
    warnings: list[str] = []
    with HostileS3(objects, reversed_pages(objects)) as store:
        settings, observer = StoreSettings(endpoint_url=store.url), Observer(warning=warnings.append)
        counts = []
        for _ in range(2):
            location, options = parse_location("s3://bucket/r/"), SyncOptions(workers=1)
            report = sync_to_output(location, str(tmp_path / "out"), options, settings=settings, observer=observer)
            counts.append((report.exit_code, report.sync.counts.landed, report.sync.counts.unchanged))

    assert counts == [(ExitCode.OK, 5, 0), (ExitCode.OK, 0, 5)]
    assert sum("does not list in byte order" in warning for warning in warnings) == 2
