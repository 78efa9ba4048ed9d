"""Check what landed before when a run has another user schema."""

from __future__ import annotations

from harvester.destination import ProblemRow
from harvester.transfer.sync_run import SyncRun

_REASON = "user_schema"  # of ContentReason, which runs with the same schema do not load


def check_landed_before(run: SyncRun) -> None:
    """Record, as problems of this run, landed objects that do not conform to the schema of this run.

    Does nothing where the last complete run had the same schema. Problems that another schema has caused are solved
    where they are none under this one.
    """
    manifest, options = run.manifest, run.options
    fingerprint = options.fingerprint
    if manifest.checked_schema() == fingerprint:
        return
    schema = options.result.user_schema
    check = None
    if schema is not None:
        # Loaded by the runs that have a schema: it loads the parsers.
        from harvester.destination import ConformanceCheck

        check = ConformanceCheck(run.root, schema, options.result.max_schema_steps)
    before = {row.key: row for row in manifest.problems() if (row.outcome, row.reason) == ("landed", _REASON)}
    found: list[ProblemRow] = []
    for row in manifest.landed() if check is not None else ():
        # What this run has landed was checked when it landed.
        fault = "" if row.run == run.number or check is None else check.fault(row)
        if fault:
            known = before.pop(row.key, None)
            found.append(
                ProblemRow(
                    row.key, row.etag, row.size, "landed", _REASON, fault,
                    run.number if known is None else known.first_run, run.number, None, None, fingerprint,
                )
            )  # fmt: skip
    run.recorder.settle_schema_change(found, solved=list(before))
    manifest.set_checked_schema(fingerprint)
