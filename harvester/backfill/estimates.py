"""What a backfill will cost, from its plan: requests by kind, scratch space, processor time. Pure.

Figures are estimates: the plan knows stored sizes, not what they inflate to. The rates are measured by `scripts/bench`
(docs/concepts/scale.md).
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from harvester.backfill.backfill_plan import BackfillPlan, KeySpan
from harvester.backfill.shard_cutting import BYTES_PER_OBJECT

ARCHIVED_CLASSES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored before they can be read. Source: Amazon S3 User Guide, "Restoring an
archived object"; Intelligent-Tiering's archive tiers are not named in a listing."""
OBJECTS_PER_CORE_SECOND: Final = 2000
"""Objects that one core syncs and exports in a second; `BYTES_PER_OBJECT` more count as one more."""
SHARD_SECONDS: Final = 0.4
"""Processor time of a shard besides its objects."""
INFLATION: Final = 6
"""How many times the stored size results have in the scratch folder, assumed."""
_PAGE_KEYS: Final = 1000
_FIXED_PUTS: Final = 3  # layout, claim, commit


class PlanEstimate(NamedTuple):
    """What a backfill will cost."""

    requests: dict[str, int]
    """Requests by kind, of all shards: ``list``, ``head``, ``get``, ``put``, ``copy``, ``delete``, ``kms_decrypt``.
    The last is the most there can be: one for each object under SSE-KMS without a bucket key."""
    archived: int
    """Objects that must be restored first."""
    scratch_bytes: int
    """Scratch space of the largest shard."""
    core_seconds: float
    """Processor time of all shards."""
    largest_core_seconds: float
    """Processor time of the largest shard."""

    def as_document(self) -> dict[str, Any]:
        """Return the estimate as published JSON has it."""
        return {
            **self._asdict(),
            "core_seconds": round(self.core_seconds, 1),
            "largest_core_seconds": round(self.largest_core_seconds, 1),
        }


def estimate(plan: BackfillPlan) -> PlanEstimate:
    """Return what a plan will cost."""
    archived = sum(total.objects for name, total in plan.storage_classes.items() if name in ARCHIVED_CLASSES)
    wanted = plan.objects - archived
    parts = sum(_parts(plan, span) for span in plan.spans)
    listed = [span for span in plan.spans if span.listed]
    requests = {
        "list": sum(max(1, math.ceil(span.objects / _PAGE_KEYS)) for span in plan.spans if not span.listed),
        "head": sum(span.objects for span in listed),
        "get": wanted,
        "put": parts + _FIXED_PUTS * len(plan.spans),
        "copy": parts,
        "delete": parts,
        "kms_decrypt": wanted,
    }
    seconds = [_core_seconds(span) for span in plan.spans]
    return PlanEstimate(
        {kind: count for kind, count in requests.items() if count},
        archived,
        max(span.bytes for span in plan.spans) * INFLATION,
        sum(seconds),
        max(seconds),
    )


def _parts(plan: BackfillPlan, span: KeySpan) -> int:
    return max(1, math.ceil(span.bytes / plan.backfill.export.part_bytes)) if span.objects else 0


def _core_seconds(span: KeySpan) -> float:
    return SHARD_SECONDS + (span.objects + span.bytes / BYTES_PER_OBJECT) / OBJECTS_PER_CORE_SECOND
