"""Record outcomes: counts for the report, rows for the manifest, events for the observer."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from harvester.causes import Cause
from harvester.destination import (
    RESCUED_KEY,
    SAFE_NAME_FOLDER,
    Manifest,
    ProblemRow,
    VersionRow,
    is_text,
    same_version,
    shown_key,
)
from harvester.storage import (
    NOT_FOUND,
    KeyList,
    KeyRange,
    KeySelection,
    ObjectRef,
    RefusedObject,
    end_of_prefix,
)
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.plan import ActionKind
from harvester.transfer.proof import RowCounts
from harvester.transfer.range_planner import Planned
from harvester.transfer.recording.durable_barrier import DurableBarrier
from harvester.transfer.recording.pending_rows import PendingRows
from harvester.transfer.recording.recorded_rows import (
    aside_path,
    documented_task,
    is_same_problem,
    landed_row,
    problem_row,
)
from harvester.transfer.sync_report import ObjectEvent, ObjectProblem, RunCounters
from harvester.transfer.workers import Failed, Landed, Outcome, Quarantined, Refused

_UNSTORED = frozenset({"name_not_utf8", "outside_prefix", "invalid_key"})
_NOT_CONTENT = frozenset({"probe_residue", "directory_marker"})


class Recorder:
    """Records the outcomes of one run, in batches."""

    def __init__(
        self,
        manifest: Manifest,
        root: Path,
        run: int,
        options: SyncOptions,
        observer: Observer,
        keys: KeySelection | None = None,
    ) -> None:
        """Begin with nothing; ``keys`` are those that the run is about, None for all."""
        self._keys = keys
        self._manifest = manifest
        self._run = run
        self._options = options
        self._event = observer.event
        self._unfinished = manifest.unfinished_runs() | {run}
        self._accepted = manifest.acceptances().all()
        self.counters = RunCounters()
        self._rows = PendingRows(manifest, root, count_all=keys is None)
        self._barrier = DurableBarrier(manifest, root)
        self._rescued = manifest.rescued()
        self._rescue_problems = manifest.rescue_problems()
        self._unstored: list[ObjectProblem] = []
        self._new: set[str] = set()
        self._unsynced = False

    # Settled by the plan, without a worker

    def settle_planned(self, planned: Planned, *, report_again: bool = False) -> bool:
        """Count an object, and settle it if it needs no worker; return False when it does.

        ``report_again``: an object that this run has landed has an event each time it is given.
        """
        ref, (kind, reason), _, row, problem = planned
        counters = self.counters
        if kind is not ActionKind.IGNORE or reason not in _NOT_CONTENT:
            counters.content += 1
        if row is not None and row.gone:
            self._rows.returned.append(row.key)
        if kind is ActionKind.UNCHANGED:
            if row is not None and counters.first_seq is not None and row.seq >= counters.first_seq:
                self._landed_before(planned, report=report_again)
                return True
            counters.unchanged += 1
            if problem is not None:
                self._unchanged(ref, problem)
            if row is not None and row.status is not None:
                self._upstream(row.key, row.status, known=True)
        elif kind is ActionKind.IGNORE:
            counters.ignored[reason] += 1
        elif kind is ActionKind.REFUSE:
            self._refused(Refused(ref.key, ref.etag, ref.size, reason), problem)
        elif kind is ActionKind.QUARANTINED and problem is not None:
            counters.quarantined += 1
            self._known(problem)
        else:
            return False
        if self._event is not None:
            path = row.path if row is not None and kind is ActionKind.UNCHANGED else ""
            self._event(ObjectEvent(ref.key, _OUTCOMES[kind], reason, path, 0))
        return True

    def _landed_before(self, planned: Planned, *, report: bool) -> None:
        """Note an object that this run has landed, and that is listed again; its problem counts again, too."""
        ref, (_, reason), _, row, problem = planned
        if problem is not None and same_version(ref, problem):
            self._known(problem)
        if report:
            # Given again, it was counted again as listed.
            self.counters.unchanged += 1
        if report and row is not None and self._event is not None:
            self._event(ObjectEvent(ref.key, "unchanged", reason, row.path, 0))

    def settle_refused(self, refused: Iterable[RefusedObject]) -> None:
        """Count entries of a listing that are no objects; each is reported by every run, and none is kept."""
        for entry in refused:
            self.counters.listed += 1
            reason = entry.reason if is_text(entry.key) else "name_not_utf8"
            self._refused(Refused(entry.key, "", 0, reason), None)
            if self._event is not None:
                self._event(ObjectEvent(entry.key, "refused", reason, "", 0))

    def restart(self) -> None:
        """Count everything again that is listed from now on, see `RunCounters.restart`; writes what is noted."""
        self.flush()
        self._unstored.clear()
        if self._options.dry_run:
            self._rows.problems.clear()
        self.counters.restart()

    def count_unchanged(self, count: int) -> None:
        """Count objects that are unchanged and have no event."""
        self.counters.content += count
        self.counters.unchanged += count

    def _unchanged(self, ref: ObjectRef, problem: ProblemRow) -> None:
        if problem.outcome == "landed" and same_version(ref, problem):
            self._known(problem)
        else:
            self._rows.solved.append(problem.key)
            self._discard_quarantined(problem, "")

    def _known(self, problem: ProblemRow) -> None:
        self._count_problem(problem, reported=not {problem.first_run, problem.run} <= self._unfinished)
        self._rows.problems.append(problem._replace(run=self._run))

    def _count_problem(self, problem: ProblemRow, *, reported: bool) -> None:
        """Count a problem as accepted, known or new; known is one that a run which has ended has reported."""
        if self._is_accepted(problem):
            self.counters.accepted_problems += 1
        elif reported:
            self.counters.known_problems += 1
        else:
            self.counters.new_problems += 1
            self._new.add(problem.key)

    def _is_accepted(self, problem: ProblemRow) -> bool:
        acceptance = self._accepted.get(problem.key)
        return acceptance is not None and acceptance.covers(problem, time.time())

    def _upstream(self, key: str, status: str, *, known: bool) -> None:
        if not self._options.fail_on_upstream_error:
            return
        if status.lower() in self._options.upstream_failures:
            self._unstored.append(ObjectProblem(key, "landed", "upstream_error", f"its status is {status!r}", known))
            if known:
                self.counters.known_problems += 1
            else:
                self.counters.new_problems += 1

    # What workers settle

    def settle(self, outcome: Outcome, planned: Planned) -> None:
        """Account for an object that a worker has settled."""
        if isinstance(outcome, Landed):
            self._unsynced = True
            seq = self._land(outcome, planned)
            event = ("landed", planned.action.reason, outcome.path, seq)
        elif isinstance(outcome, Quarantined):
            self._unsynced = True
            self.counters.quarantined += 1
            self.counters.bytes_fetched += outcome.fetched
            self._problem(outcome, "quarantined", outcome.reason, outcome.detail, planned.problem)
            event = ("quarantined", outcome.reason, outcome.path, 0)
        elif isinstance(outcome, Refused):
            self._refused(outcome, planned.problem)
            event = ("refused", outcome.reason, "", 0)
        elif isinstance(outcome, Failed):
            self.counters.failed += 1
            if isinstance(self._keys, KeyList) and outcome.cause == Cause.GONE:
                outcome = outcome._replace(cause=NOT_FOUND)
            self._problem(outcome, "failed", outcome.cause, outcome.detail, planned.problem)
            event = ("failed", outcome.cause, "", 0)
        else:
            return
        if self._event is not None:
            self._event(ObjectEvent(outcome.key, *event))

    def _land(self, landed: Landed, planned: Planned) -> int:
        counters = self.counters
        seq = self._manifest.take_seq()
        old = planned.row
        replaces = None if old is None else old.replaces
        self._rows.new_rows += old is None
        if self._rescued or self._rescue_problems:
            replaces = self._replace_rescued(landed.task_id or documented_task(landed.key)) or replaces
        self._rows.landed.append(landed_row(landed, seq, self._run, replaces))
        counters.landed += 1
        counters.unidentified += landed.unidentified
        if landed.unread_headers:
            counters.unread_headers.update(landed.unread_headers)
        counters.bytes_fetched += landed.fetched
        counters.bytes_written += landed.content_size
        counters.non_finite += landed.non_finite
        counters.first_seq = counters.first_seq or seq
        counters.last_seq = seq
        if landed.path.startswith(SAFE_NAME_FOLDER + "/"):
            counters.renamed += 1
        if old is not None and planned.action.reason == "changed":
            counters.replaced += 1
            if self._options.on_change == "keep" and not old.evicted:
                self._rows.versions.append(VersionRow(old.key, old.seq, old.etag, aside_path(old), old.digest))
        if landed.status is not None:
            counters.upstream[landed.status] += 1
            self._upstream(landed.key, landed.status, known=False)
        if landed.fault is not None:
            self._problem(landed, "landed", *landed.fault, planned.problem)
        elif planned.problem is not None:
            self._rows.solved.append(landed.key)
            self._discard_quarantined(planned.problem, "")
        return seq

    def _replace_rescued(self, task_id: str) -> str | None:
        """Drop what was rescued of a task whose delivered object has landed; return its key as consumers know it."""
        rescued = self._rescued.pop(task_id, None)
        if rescued is not None:
            self._rows.removed.append(rescued.key)
            self._rows.new_rows -= 1
            self._rows.obsolete.append(rescued.path)
        problem = self._rescue_problems.pop(task_id, None)
        if problem is not None:
            self._rows.solved.append(problem.key)
            self._discard_quarantined(problem, "")
        return None if rescued is None else shown_key(rescued.key)

    def _refused(self, refused: Refused, previous: ProblemRow | None) -> None:
        self.counters.refused += 1
        if refused.reason in _UNSTORED:
            # The manifest holds text, and objects of its location: such a name is reported anew by every run.
            key = refused.key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            self._unstored.append(ObjectProblem(key, "refused", refused.reason, "", known=False))
            self.counters.new_problems += 1
            return
        detail = f"{refused.size} bytes" if refused.reason == "too_large" else ""
        self._problem(refused, "refused", refused.reason, detail, previous)

    def _problem(
        self,
        outcome: Landed | Quarantined | Refused | Failed,
        kind: str,
        reason: str,
        detail: str,
        previous: ProblemRow | None,
    ) -> None:
        repeated = previous if previous is not None and is_same_problem(previous, outcome, kind, reason) else None
        problem = problem_row(
            outcome,
            kind,
            reason,
            detail,
            first_run=self._run if repeated is None else repeated.first_run,
            run=self._run,
            fingerprint=self._options.fingerprint_of(reason),
        )
        if previous is not None:
            self._discard_quarantined(previous, problem.path)
        self._rows.problems.append(problem)
        reported = repeated is not None and not {repeated.first_run, repeated.run} <= self._unfinished
        self._count_problem(problem, reported=reported)

    def settle_schema_change(self, problems: list[ProblemRow], *, solved: list[str]) -> None:
        """Record landed objects that do not conform to another schema than before, and those that do again."""
        self._rows.problems.extend(problems)
        self._rows.solved.extend(solved)
        for problem in problems:
            if problem.first_run == self._run:
                self._count_problem(problem, reported=False)

    def _discard_quarantined(self, problem: ProblemRow, replaced_by: str | None) -> None:
        if problem.path is not None and problem.path != replaced_by:
            self._rows.obsolete.append(problem.path)

    def gone(self, keys: list[str]) -> None:
        """Record keys that a complete listing did not have."""
        self.counters.source_gone += len(keys)
        self._rows.gone.extend(keys)

    def forget_unlisted_problems(self) -> None:
        """Drop the problems of objects that a complete, unfiltered listing, of all or of prefixes, did not have."""
        if isinstance(self._keys, KeyList | KeyRange):
            return
        self.flush()
        prefixes = self._keys.prefixes if self._keys is not None else ()
        ranges = [(prefix, end_of_prefix(prefix)) for prefix in prefixes] if self._keys is not None else [("", None)]
        for problem in chain.from_iterable(self._manifest.problems(*each) for each in ranges):
            if problem.run != self._run and not problem.key.startswith(RESCUED_KEY):
                self._rows.solved.append(problem.key)
                self._discard_quarantined(problem, None)

    def returned(self) -> None:
        """Record that a key counted as gone was listed after all, late."""
        self.counters.source_gone -= 1

    # Batches

    def flush_if_due(self) -> None:
        """Write a batch when it is large or old enough, and start a durable barrier now and then."""
        if self._rows.is_due():
            self.flush()
            self._barrier.start_if_due(self.counters.last_seq)

    def flush(self) -> None:
        """Write everything noted so far; nothing in a dry run. Raises DestinationUnusable when the disk is full."""
        if not self._options.dry_run:
            self._rows.write()

    def row_counts(self) -> RowCounts | None:
        """Return how many landed objects should be recorded and how many are; None when this run landed nothing."""
        return self._rows.row_counts()

    def reserve_seqs(self) -> None:
        """Reserve sequence numbers for what lands next. Raises DestinationUnusable when the disk is full."""
        self._manifest.reserve_seqs()

    def finish(self) -> None:
        """Write what is left and make every file durable. Raises OSError when the disk fails."""
        self.flush()
        self._barrier.finish(self.counters.last_seq, unsynced=self._unsynced)
        self._unsynced = False

    def problems(self) -> tuple[ObjectProblem, ...]:
        """Return this run's problems; call after ``finish``."""
        # A dry run has written nothing; its problems are all in memory.
        rows: Iterable[ProblemRow | None]
        if self._options.dry_run:
            rows = self._rows.problems
        elif self._keys is None:
            rows = self._manifest.problems()
        else:
            rows = map(self._manifest.problem, sorted(self._rows.problem_keys))
        stored = [
            ObjectProblem(
                row.key, row.outcome, row.reason, row.detail, row.key not in self._new, self._is_accepted(row)
            )
            for row in rows
            if row is not None and row.run == self._run
        ]
        return (*stored, *self._unstored)


_OUTCOMES = {
    ActionKind.UNCHANGED: "unchanged",
    ActionKind.IGNORE: "ignored",
    ActionKind.REFUSE: "refused",
    ActionKind.QUARANTINED: "quarantined",
}
