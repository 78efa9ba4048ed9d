"""The report of a shard whose objects landed in several passes."""

from __future__ import annotations

from dataclasses import replace

from harvester.backfill.shards.shard_report import report_shard
from harvester.errors import ExitCode
from harvester.tables import ExportReport
from harvester.tables.exports.export_types import TableReport
from harvester.transfer import ObjectProblem, SyncCounts, SyncReport
from scripts.commands.output_schemas import validate
from tests.unit.backfill.plans import small_plan

FIRST = SyncReport(
    location="s3://bucket/results/",
    destination="/scratch",
    run=1,
    dry_run=False,
    started_at=100.0,
    finished_at=110.0,
    exit_code=ExitCode.PARTIAL,
    counts=SyncCounts(landed=5, ignored=2, quarantined=1, failed=3),
    ignored_by_reason={"after_until": 2},
    renamed=0,
    replaced=0,
    source_gone=0,
    bytes_fetched=500,
    bytes_written=2500,
    non_finite=0,
    upstream={"success": 4, "failed": 1},
    first_seq=1,
    last_seq=5,
    problems=(ObjectProblem("k", "failed", "throttled", "", known=False),),
)
INVALID = ObjectProblem("q", "quarantined", "invalid_json", "line 1", known=True)
SECOND = replace(
    FIRST,
    started_at=120.0,
    counts=SyncCounts(landed=3, unchanged=5, ignored=2, quarantined=1),
    bytes_fetched=300,
    bytes_written=1500,
    upstream={"success": 3},
    problems=(INVALID,),
)


def test_what_landed_in_an_earlier_pass_has_landed() -> None:
    exported = ExportReport("out", "parquet", oversized=1, oversized_rows=["k row 1"], misfits={"price": 2})
    exported.tables["envelopes"] = TableReport("p", parts=2, rows=8, objects=8)
    exported.tables["job_rows"] = TableReport("0")
    report = report_shard(small_plan().shard(1), [FIRST, SECOND], exported, 4, 130.5)
    totals = report.totals
    assert totals.counts == SyncCounts(landed=8, ignored=2, quarantined=1)
    assert (totals.bytes_fetched, totals.bytes_written) == (800, 4000)
    assert totals.upstream == {"failed": 1, "success": 7}
    assert totals.ignored_by_reason == {"after_until": 2}
    assert (totals.rows, totals.parts, totals.files) == ({"envelopes": 8}, 2, 4)
    assert (totals.oversized, totals.misfits, report.oversized_rows) == (1, {"price": 2}, ("k row 1",))
    assert report.problems == (INVALID,)
    assert (report.shard, report.shard_count, report.started_at, report.finished_at) == (1, 3, 100.0, 130.5)
    document = report.as_document()
    assert document["seconds"] == 30.5
    assert document["counts"]["listed"] == 11
    staged = {"series": "shard-00001", "attempt": "0" * 16, "parts": []}
    validate("shard-report", {**document, "staged": staged})
