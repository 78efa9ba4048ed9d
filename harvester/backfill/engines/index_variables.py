"""The number of the shard that an engine of indexed processes asks this one for, from its environment. Pure.

Sources: Kubernetes, "Indexed Job for Parallel Processing"; AWS Batch User Guide, "Array jobs"; Cloud Run, "Container
runtime contract"; Slurm, "Job Array Support".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError

INDEX_VARIABLES: Final = (
    "JOB_COMPLETION_INDEX",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "CLOUD_RUN_TASK_INDEX",
    "SLURM_ARRAY_TASK_ID",
)


def array_index(environment: Mapping[str, str], shard_count: int) -> int | None:
    """Return the index that one variable holds; None where there is none.

    Raises UsageError for two variables, or an index that no shard has.
    """
    given = [(name, environment[name]) for name in INDEX_VARIABLES if environment.get(name)]
    if not given:
        return None
    if len(given) > 1:
        names = " and ".join(name for name, _ in given)
        raise UsageError(
            f"{names} are both set",
            cause="each of them names the shard to run",
            code=ErrorCode.SHARD_AMBIGUOUS,
            subject=given[0][0],
        )
    name, text = given[0]
    if not (text.isascii() and text.isdecimal() and int(text) < shard_count):
        raise UsageError(
            f"{name} is {text[:40]!r}",
            cause=f"the plan has {shard_count:,} shards, from 0",
            code=ErrorCode.NO_SUCH_SHARD,
            subject=name,
        )
    return int(text)
