"""Every outcome is counted once, and the manifest agrees with the counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import KnownRow, ProblemRow
from harvester.destination.opened import open_destination
from harvester.storage.base import RefusedObject
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.plan import Action, ActionKind
from harvester.transfer.range_planner import Planned
from harvester.transfer.recording.recorded_rows import documented_task
from harvester.transfer.recording.recorder import Recorder
from harvester.transfer.sync_report import ObjectEvent
from harvester.transfer.workers.messages import Failed, Quarantined, Refused
from tests.unit.transfer.memory_workers import assignment, landed, ref


class Runs:
    """Successive runs on one destination."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root = root
        self.manifest = manifest
        self.events: list[ObjectEvent] = []

    def begin(self, **options: Any) -> Recorder:
        self.events.clear()
        for run in self.manifest.runs():
            self.manifest.end_run(run.run, 0, "{}")
        run_number = self.manifest.begin_run()
        observer = Observer(event=self.events.append)
        return Recorder(self.manifest, self.root, run_number, SyncOptions(**options), observer)

    def known(self, key: str) -> KnownRow:
        row = self.manifest.known_row(key)
        assert row is not None
        return row

    def problem(self, key: str) -> ProblemRow:
        problem = self.manifest.problem(key)
        assert problem is not None
        return problem


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with open_destination(tmp_path / "dest") as destination:
        yield Runs(destination.root, destination.manifest)


def planned(
    key: str, kind: ActionKind = ActionKind.FETCH, reason: str = "new", row: Any = None, problem: Any = None
) -> Planned:
    return Planned(ref(key), Action(kind, reason), key.removeprefix("p/"), row, problem)


def quarantined(key: str, reason: str = "empty") -> Quarantined:
    return Quarantined(key, "one", 4, reason, "detail", f".nimble-harvester/quarantine/{key[2:]}", "digest", 4)


def test_what_landed_has_a_row_and_an_event_with_its_sequence_number(runs: Runs) -> None:
    recorder = runs.begin()
    recorder.settle(landed(assignment("p/a"), status="success", task_id="t"), planned("p/a"))
    recorder.settle(landed(assignment("p/b"), path="_keys/x"), planned("p/b"))
    recorder.finish()

    assert [(row.key, row.seq, row.status) for row in runs.manifest.landed()] == [
        ("p/a", 1, "success"),
        ("p/b", 2, None),
    ]
    assert [(event.key, event.outcome, event.reason, event.seq) for event in runs.events] == [
        ("p/a", "landed", "new", 1),
        ("p/b", "landed", "new", 2),
    ]
    counters = recorder.counters
    assert (counters.landed, counters.renamed, counters.first_seq, counters.last_seq) == (2, 1, 1, 2)
    assert counters.upstream == {"success": 1}
    assert runs.manifest.barrier() == 2
    assert recorder.problems() == ()


def test_values_that_are_not_finite_are_recorded_and_summed_up(runs: Runs) -> None:
    recorder = runs.begin()
    for key, rows, number in (("p/a", 2, 2), ("p/b", 2, 0), ("p/c", 9, 3), ("p/d", None, 0)):
        recorder.settle(landed(assignment(key), rows=rows, non_finite=number), planned(key))
    recorder.finish()

    assert [row.non_finite for row in runs.manifest.landed()] == [2, 0, 3, None]
    # A listing that starts again lands nothing twice.
    recorder.counters.restart()
    assert recorder.counters.non_finite == 5


def test_nothing_is_written_before_a_flush_and_nothing_at_all_in_a_dry_run(runs: Runs) -> None:
    recorder = runs.begin()
    recorder.settle(landed(assignment("p/a")), planned("p/a"))
    before = list(runs.manifest.landed())
    recorder.flush()

    assert (before, [row.key for row in runs.manifest.landed()]) == ([], ["p/a"])

    dry = runs.begin(dry_run=True)
    dry.settle_planned(planned("p/b", ActionKind.REFUSE, "too_large"))
    dry.finish()

    assert [problem.reason for problem in dry.problems()] == ["too_large"]
    assert runs.manifest.problem("p/b") is None


@pytest.mark.parametrize(
    ("kind", "reason", "outcome"),
    [
        (ActionKind.IGNORE, "excluded", "ignored"),
        (ActionKind.REFUSE, "too_large", "refused"),
        (ActionKind.UNCHANGED, "current", "unchanged"),
    ],
)
def test_what_needs_no_worker_is_settled_by_its_plan(runs: Runs, kind: ActionKind, reason: str, outcome: str) -> None:
    recorder = runs.begin()

    assert recorder.settle_planned(planned("p/a", kind, reason))
    assert [(event.key, event.outcome, event.reason) for event in runs.events] == [("p/a", outcome, reason)]
    assert not recorder.settle_planned(planned("p/b"))
    assert len(runs.events) == 1


def test_residue_and_folder_markers_are_no_content(runs: Runs) -> None:
    recorder = runs.begin()
    for reason in ("probe_residue", "directory_marker"):
        recorder.settle_planned(planned("p/a", ActionKind.IGNORE, reason))
    assert recorder.counters.content == 0
    recorder.settle_planned(planned("p/b", ActionKind.IGNORE, "excluded"))
    assert recorder.counters.content == 1
    assert recorder.counters.ignored == {"probe_residue": 1, "directory_marker": 1, "excluded": 1}


def test_a_problem_is_new_once_and_known_while_it_stays_the_same(runs: Runs) -> None:
    first = runs.begin()
    first.settle(quarantined("p/a"), planned("p/a"))
    first.finish()
    assert (first.counters.new_problems, first.counters.known_problems) == (1, 0)

    second = runs.begin()
    second.settle_planned(planned("p/a", ActionKind.QUARANTINED, "empty", problem=runs.problem("p/a")))
    second.finish()
    assert (second.counters.new_problems, second.counters.known_problems) == (0, 1)
    assert [problem.known for problem in second.problems()] == [True]

    third = runs.begin()
    third.settle(quarantined("p/a", "truncated_gzip"), planned("p/a", problem=runs.problem("p/a")))
    third.finish()
    assert (third.counters.new_problems, third.counters.known_problems) == (1, 0)
    assert runs.problem("p/a").first_run == 3


def test_an_object_that_lands_solves_its_problem_and_frees_the_quarantine(runs: Runs) -> None:
    first = runs.begin()
    first.settle(quarantined("p/a"), planned("p/a"))
    first.finish()
    kept = runs.root / runs.problem("p/a").path  # type: ignore[operator]
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"{")

    second = runs.begin()
    second.settle(landed(assignment("p/a")), planned("p/a", reason="changed", problem=runs.problem("p/a")))
    second.finish()

    assert runs.manifest.problem("p/a") is None
    assert not kept.exists()


def test_an_older_version_is_kept_where_asked_for(runs: Runs) -> None:
    first = runs.begin()
    first.settle(landed(assignment("p/a")), planned("p/a"))
    first.finish()

    second = runs.begin(on_change="keep")
    second.settle(landed(assignment("p/a"), etag="two"), planned("p/a", reason="changed", row=runs.known("p/a")))
    second.finish()

    assert [(version.key, version.seq, version.etag) for version in runs.manifest.versions()] == [("p/a", 1, "one")]
    assert second.counters.replaced == 1


def test_an_upstream_failure_is_a_problem_only_where_asked_for(runs: Runs) -> None:
    options = {"upstream_failures": frozenset({"failed"})}
    quiet = runs.begin(**options)
    quiet.settle(landed(assignment("p/a"), status="Failed"), planned("p/a"))
    assert quiet.counters.new_problems == 0

    loud = runs.begin(**options, fail_on_upstream_error=True)
    loud.settle(landed(assignment("p/b"), status="Failed"), planned("p/b"))
    loud.finish()

    assert [(problem.key, problem.reason) for problem in loud.problems()] == [("p/b", "upstream_error")]


def test_a_fault_of_a_landed_file_is_a_problem_of_a_landed_object(runs: Runs) -> None:
    recorder = runs.begin()
    recorder.settle(landed(assignment("p/a"), fault=("broken_rows", "rows 3, 5")), planned("p/a"))
    recorder.finish()

    assert [(found.outcome, found.reason) for found in recorder.problems()] == [("landed", "broken_rows")]
    assert [row.key for row in runs.manifest.landed()] == ["p/a"]


def test_gone_keys_are_counted_and_marked_and_come_back(runs: Runs) -> None:
    first = runs.begin()
    first.settle(landed(assignment("p/a")), planned("p/a"))
    first.finish()
    second = runs.begin()
    second.gone(["p/a"])
    second.finish()
    assert (second.counters.source_gone, runs.known("p/a").gone) == (1, 1)

    third = runs.begin()
    third.settle_planned(planned("p/a", ActionKind.UNCHANGED, "current", row=runs.known("p/a")))
    third.finish()

    assert runs.known("p/a").gone == 0
    assert third.counters.unchanged == 1


def test_failures_and_refusals_keep_their_reason(runs: Runs) -> None:
    recorder = runs.begin()
    recorder.settle(Failed("p/a", "one", 4, "network", "reset"), planned("p/a"))
    recorder.settle(Refused("p/b", "one", 4, "path_obstructed"), planned("p/b"))
    recorder.settle_refused([RefusedObject("other/c", "outside_prefix")])
    recorder.finish()

    found = [(each.key, each.outcome, each.reason, each.detail) for each in recorder.problems()]
    assert found == [
        ("p/a", "failed", "network", "reset"),
        ("p/b", "refused", "path_obstructed", ""),
        ("other/c", "refused", "outside_prefix", ""),
    ]
    assert (recorder.counters.failed, recorder.counters.refused, recorder.counters.listed) == (1, 2, 1)
    assert runs.manifest.problem("other/c") is None


def test_a_name_that_is_no_text_is_reported_and_not_stored(runs: Runs) -> None:
    recorder = runs.begin()
    refused = Planned(replace_key("p/\udcff"), Action(ActionKind.REFUSE, "name_not_utf8"), "", None, None)
    recorder.settle_planned(refused)
    recorder.settle_refused([RefusedObject("p/\udcfe", "invalid_size")])
    recorder.finish()

    found = [(problem.key, problem.reason) for problem in recorder.problems()]
    assert found == [("p/\\xff", "name_not_utf8"), ("p/\\xfe", "name_not_utf8")]
    assert list(runs.manifest.problems()) == []


def replace_key(key: str) -> Any:
    return ref("p/x")._replace(key=key)


def test_the_task_of_a_documented_name() -> None:
    assert documented_task("p/62e5.json.gz") == "62e5"
    assert documented_task("p/62e5.json") == "62e5"
    assert documented_task("62e5") == "62e5"


def test_options_change_what_a_known_problem_was_judged_under(runs: Runs) -> None:
    options = SyncOptions()
    stricter = replace(options, result=options.result._replace(user_schema="{}"))

    assert options.fingerprint != stricter.fingerprint
