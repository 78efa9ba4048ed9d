"""Whatever a manifest holds, reading it is right, or an error of this program that names the manifest."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.destination.consumer_store import acknowledge, list_consumers
from harvester.destination.health.problem_list import list_problems
from harvester.destination.health.summary import destination_status
from harvester.destination.identity import settle_identity
from harvester.destination.maintenance.compaction import compact
from harvester.destination.maintenance.eviction import evict
from harvester.destination.maintenance.purging import purge
from harvester.destination.manifest.row_types import LandedRow, ProblemRow
from harvester.destination.manifest.source_binding import SourceBinding
from harvester.destination.opened import MANIFEST_NAME, open_destination
from harvester.destination.paths import STATE_FOLDER
from harvester.destination.positions import end_of
from harvester.destination.rows import ReadAccount, read
from harvester.destination.verification import Verification
from harvester.errors import ExitCode, HarvesterError

PATH = f"{STATE_FOLDER}/{MANIFEST_NAME}"
TABLES = ("settings", "objects", "problems", "versions", "runs", "epochs", "consumers", "tombstones", "heartbeats")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("whole")
    for number in (1, 2):
        (dest / f"{number}.json").write_text('{"data":{}}')
    with open_destination(dest) as opened:
        manifest = opened.manifest
        manifest.bind(SourceBinding("s3://bucket/p/", "", keep_compressed=False), dest)
        run = manifest.begin_run()
        rows = [
            LandedRow(
                f"p/{seq}.json", "etag", 11, 1.5, f"{seq}.json", 11, _mtime(dest, seq), "digest", seq, run, 2.5,
                "extract", "identity", None, "success", None, "delivered", 0, 0,
            )
            for seq in (1, 2)
        ]  # fmt: skip
        problem = ProblemRow("p/3", "etag", 1, "quarantined", "empty", "", run, run, "quarantine/x", "digest", "print")
        manifest.record(rows, [problem])
        manifest.end_run(run, 0, "{}")
        manifest.consumers(dest).create("one", "{}", end_of(manifest.epochs()[0].epoch, 1))
        settle_identity(opened.root, manifest)
    assert len(list(read(dest))) == 2
    assert use(_copy(dest, dest.with_name("unchanged"))) == []
    return dest


def _copy(whole: Path, dest: Path) -> Path:
    shutil.rmtree(dest, ignore_errors=True)
    return Path(shutil.copytree(whole, dest))


def _mtime(dest: Path, seq: int) -> int:
    return (dest / f"{seq}.json").stat().st_mtime_ns


def use(dest: Path) -> list[str]:
    """Do everything that reads a manifest; return what ended otherwise than it may."""
    calls: list[Callable[[], object]] = [
        lambda: list(read(dest, account=ReadAccount(), tombstones=True)),
        lambda: list(read(dest, consumer="one", account=ReadAccount())),
        lambda: [row.with_meta() for row in read(dest, account=ReadAccount())],
        lambda: destination_status(dest).as_document(),
        lambda: list(Verification(dest)),
        lambda: list_consumers(dest),
        lambda: acknowledge(dest, "one", "0"),
        lambda: list(list_problems(dest)),
        lambda: evict(dest, older_than=0.0, unacknowledged=True),
        lambda: purge(dest, task_id="x"),
        lambda: compact(dest, gone_for=0.0),
        lambda: _plan(dest),
    ]
    wrong = []
    for call in calls:
        try:
            call()
        except HarvesterError as error:
            if error.exit_code is ExitCode.BUG:
                wrong.append(repr(error))
    return wrong


def _plan(dest: Path) -> None:
    with open_destination(dest) as opened:
        for row in opened.manifest.known():
            opened.manifest.landed_row(row.key)
        opened.manifest.begin_numbering()


@pytest.mark.parametrize("column", ["size", "content_size", "rows", "non_finite"])
def test_a_negative_number_is_refused(whole: Path, tmp_path: Path, column: str) -> None:
    dest = _copy(whole, tmp_path / "dest")
    with contextlib.closing(sqlite3.connect(dest / PATH)) as database, database:
        database.execute(f"UPDATE objects SET {column} = -1")
    with pytest.raises(HarvesterError) as caught:
        list(read(dest))
    assert caught.value.exit_code is ExitCode.INTEGRITY


values = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=9), st.binary(max_size=9),
    st.sampled_from(["", "0", "{}", "[]", "../x", f"{PATH}", "/etc/passwd", "zz", 9e999]),
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_value_in_any_column_is_taken_for_a_bug(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    dest = _copy(whole, tmp_path / "dest")
    with contextlib.closing(sqlite3.connect(dest / PATH)) as database:
        table = data.draw(st.sampled_from(TABLES))
        columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
        column, value = data.draw(st.sampled_from(columns)), data.draw(values)
        with contextlib.suppress(sqlite3.IntegrityError), database:
            database.execute(f"UPDATE {table} SET {column} = ?", (value,))
    assert use(dest) == []
    assert (dest / PATH).exists()
