"""What to do after an error of a backfill."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvester.cli.shared.next_steps.step_values import RUN_AGAIN, StepText
from harvester.error_codes import ErrorCode

_C = ErrorCode
BACKFILL_STEPS: Mapping[ErrorCode, StepText] = MappingProxyType(
    {
        _C.BACKFILL_OF_ANOTHER_LOCATION: "give the output of a backfill of the same location",
        _C.NO_BACKFILL: "nimble-harvester backfill plan LOCATION --to {subject} --shards N",
        _C.NO_SUCH_SHARD: "nimble-harvester backfill status OUT   (names the shards that are missing)",
        _C.BACKFILL_PLANNED: "name another --to",
        _C.BACKFILL_DAMAGED: "restore {subject} from a backup, or plan again with another --to",
        _C.PLAN_WITH_CREDENTIALS: "leave user and password out of the endpoint, and set them in the environment",
        _C.SHARD_AMBIGUOUS: "unset all but one of them, or name the shard with --shard N",
        _C.UNORDERED_LISTING: "give the keys with --keys-from FILE; shards are then lists of keys",
        _C.ENGINE_FAILED: f"read the logs of the workers of Dask, then {RUN_AGAIN}",
        _C.ENGINE_UNREACHABLE: f"start a scheduler with: dask scheduler   (then {RUN_AGAIN})",
        _C.ENGINE_UNSUITABLE: "plan again with another --to or --shards",
    }
)
