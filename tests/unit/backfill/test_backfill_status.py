"""The status of a backfill: committed reports added up, missing shards named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.backfill.backfill_plan import Shard, write_plan
from harvester.backfill.backfill_status import clean, merge_reports, missing_shards, read_status
from harvester.backfill.shards.shard_commit import ShardCommits
from harvester.backfill.shards.shard_report import ShardReport, ShardTotals, add_totals
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, IntegrityError
from harvester.tables import StagedRows
from harvester.tables.outputs.output_store import DirectoryOutput
from harvester.transfer import ObjectProblem, SyncCounts
from scripts.commands.output_schemas import validate
from tests.unit.backfill.memory_output import MemoryOutput
from tests.unit.backfill.plans import report_of, small_plan, with_counts

NUMBERS = st.integers(0, 10**12)
BY_NAME = st.dictionaries(st.sampled_from("abc"), NUMBERS, max_size=3)
COUNTS = st.builds(SyncCounts, landed=NUMBERS, ignored=NUMBERS, refused=NUMBERS, quarantined=NUMBERS, failed=NUMBERS)
TOTALS = st.builds(
    ShardTotals,
    counts=COUNTS,
    ignored_by_reason=BY_NAME,
    upstream=BY_NAME,
    bytes_fetched=NUMBERS,
    bytes_written=NUMBERS,
    rows=BY_NAME,
    parts=NUMBERS,
    files=NUMBERS,
    oversized=NUMBERS,
    misfits=BY_NAME,
)


def commit(out: MemoryOutput, shard: Shard, report: ShardReport) -> None:
    staged = StagedRows(f"shard-{shard.name}", "0" * 16, ())
    assert ShardCommits(out, shard).settle(lambda: (report, staged)) is not None


@given(st.lists(TOTALS, max_size=5), st.randoms())
def test_totals_add_up_in_any_order_and_grouping(totals: list[ShardTotals], draw: object) -> None:
    whole = add_totals(totals)
    assert add_totals(reversed(totals)) == whole
    assert add_totals([add_totals(totals[:2]), add_totals(totals[2:])]) == whole
    assert whole.counts.listed == sum(each.counts.listed for each in totals)
    assert sum(whole.rows.values()) == sum(sum(each.rows.values()) for each in totals)
    assert ShardTotals.from_document(json.loads(json.dumps(whole.as_document()))) == whole


def test_missing_shards_are_named_with_and_without_a_plan(tmp_path: Path) -> None:
    out, plan = MemoryOutput(tmp_path), small_plan()
    commit(out, plan.shard(1), report_of(plan.shard(1), with_counts(landed=5, ignored=1)))
    alone = read_status(out)
    write_plan(plan, out)
    status = read_status(out)
    assert alone.missing == status.missing == (0, 2)
    assert (alone.location, alone.planned_objects) == ("", None)
    assert (status.location, status.planned_objects) == ("s3://bucket/results/", 30)
    assert missing_shards(out, plan) == [0, 2]
    assert status.totals.counts == SyncCounts(landed=5, ignored=1)
    assert status.exit_code == 3
    for index in (0, 2):
        commit(out, plan.shard(index), report_of(plan.shard(index)))
    assert (read_status(out).missing, read_status(out).exit_code, read_status(out).seconds) == ((), 0, 7.5)


@pytest.mark.parametrize(
    "totals",
    [
        with_counts(refused=1),
        with_counts(quarantined=1),
        with_counts(failed=1),
        replace(ShardTotals(), oversized=1),
    ],
)
def test_what_did_not_reach_the_output_is_a_problem(tmp_path: Path, totals: ShardTotals) -> None:
    out, plan = MemoryOutput(tmp_path), small_plan(1)
    commit(out, plan.shard(0), report_of(plan.shard(0), totals))
    assert read_status(out).exit_code == 3


def test_the_first_problems_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    out, plan = MemoryOutput(tmp_path), small_plan(2)
    problem = ObjectProblem("k", "landed", "broken_rows", "line 1", known=False)
    for shard in plan.shards:
        commit(out, shard, replace(report_of(shard), problems=(problem,) * 700))
    status = read_status(out)
    assert (status.problem_count, len(status.problems), status.exit_code) == (1400, 1000, 3)
    assert [status.problems[index]["shard"] for index in (0, 699, 700)] == [0, 0, 1]


def test_a_claim_without_a_commit_is_named(tmp_path: Path) -> None:
    out, plan = MemoryOutput(tmp_path), small_plan(2)
    write_plan(plan, out)
    commit(out, plan.shard(1), report_of(plan.shard(1)))
    del out.files["shards/00001.json"]
    assert (read_status(out).missing, read_status(out).claimed) == ((0, 1), (1,))


def test_reports_of_another_backfill_or_of_no_shard_are_damage(tmp_path: Path) -> None:
    plan = small_plan(2)
    for shard in (replace(plan.shard(0), index=7), Shard(replace(plan.backfill, id="f" * 32), 0, plan.spans[0])):
        out = MemoryOutput(tmp_path)
        write_plan(plan, out)
        commit(out, shard, report_of(shard))
        with pytest.raises(IntegrityError):
            read_status(out)


def test_an_output_without_a_backfill_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarvesterError) as caught:
        read_status(MemoryOutput(tmp_path))
    assert caught.value.code is ErrorCode.NO_BACKFILL


def test_the_document_is_as_published(tmp_path: Path) -> None:
    plan, store = small_plan(2), DirectoryOutput(tmp_path)
    write_plan(plan, store)
    staged = StagedRows("shard-00001", "0" * 16, ())
    report = report_of(plan.shard(1), with_counts(landed=4, failed=1))
    ShardCommits(store, plan.shard(1)).settle(lambda: (report, staged))
    document = merge_reports(str(tmp_path)).as_document()
    validate("backfill-status", document)
    validate("shard-report", json.loads((tmp_path / "shards/00001.json").read_text()))
    expected = {
        "output": str(tmp_path),
        "backfill": plan.backfill.id,
        "location": "s3://bucket/results/",
        "cutoff": "2023-11-14T22:13:20.500000Z",
        "shards": 2,
        "committed": 1,
        "missing": [0],
        "claimed": [],
        "planned_objects": 20,
        "seconds": 2.5,
        "problem_count": 0,
        "exit_code": 3,
    }
    assert {name: document[name] for name in expected} == expected
    assert document["counts"]["listed"] == 5


def test_a_report_that_lacks_its_counts_is_named(tmp_path: Path) -> None:
    out, plan = MemoryOutput(tmp_path), small_plan(1)
    commit(out, plan.shard(0), report_of(plan.shard(0)))
    stored = json.loads(out.files["shards/00000.json"])
    del stored["counts"]
    out.files["shards/00000.json"] = json.dumps(stored).encode()
    with pytest.raises(IntegrityError) as caught:
        read_status(out)
    assert caught.value.subject == "memory/shards/00000.json"


def test_clean_counts_what_it_removes_and_keeps_what_may_still_be_accepted(tmp_path: Path) -> None:
    out, plan = MemoryOutput(tmp_path), small_plan(2)
    commit(out, plan.shard(0), report_of(plan.shard(0)))
    left, kept = "f" * 16, "0" * 16
    for shard, attempt in (("00000", left), ("00000", kept), ("00001", left)):
        for name in (
            f"files/{shard}/{attempt}/a",
            f"quarantine/{shard}/{attempt}/b",
            f"staging/shard-{shard}/{left}/c",
        ):
            out.create(name, b"")
    out.create("files/README", b"")
    assert clean(out) == 3
    assert [name for name in out.files if left in name] == [
        f"files/00001/{left}/a",
        f"quarantine/00001/{left}/b",
        f"staging/shard-00001/{left}/c",
    ]
    assert out.exists(f"files/00000/{kept}/a")
    assert out.exists("files/README")
