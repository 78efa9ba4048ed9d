"""Definitions of jobs that run the shards of a backfill on Kubernetes and AWS Batch. Pure; no credentials.

Sources: Kubernetes API reference, batch/v1 Job (``backoffLimitPerIndex``, ``podFailurePolicy``); AWS Batch API
reference, RegisterJobDefinition and SubmitJob: an array has 2 to 10,000 children, ``evaluateOnExit`` at most five
conditions, and what none of them matches is retried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from harvester.backfill.backfill_plan import BackfillPlan
from harvester.backfill.engines.engine_rules import DEFAULT_RETRIES, FINAL_CODES, RETRIED_CODES
from harvester.backfill.estimates import estimate
from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode, UsageError

MEMORY_MIB: Final = 2048
"""Memory of a process with one worker: the program, a row group of 16 MiB and objects of up to 8 MiB."""
_MOST_BATCH_CHILDREN: Final = 10_000
_MEBIBYTE: Final = 1024**2
SCRATCH_FOLDER: Final = "/scratch"
"""Where a pod has its scratch space."""


def kubernetes_job(
    plan: BackfillPlan, out: str, image: str, arguments: Sequence[str], *, service_account: str | None = None
) -> dict[str, Any]:
    """Return an Indexed Job with a pod for each shard, in which `SCRATCH_FOLDER` is a folder for its attempts.

    ``arguments`` are those of the container. Raises UsageError for an output that pods do not share.
    """
    _check_output(out)
    scratch = _scratch_mebibytes(plan)
    container = {
        "name": "shard",
        "image": image,
        "args": list(arguments),
        "resources": {"requests": {"cpu": "1", "memory": f"{MEMORY_MIB}Mi", "ephemeral-storage": f"{scratch}Mi"}},
        "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH_FOLDER}],
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }
    if service_account is not None:
        pod["serviceAccountName"] = service_account
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": _name(plan)},
        "spec": {
            "completionMode": "Indexed",
            "completions": len(plan.spans),
            "parallelism": plan.parallelism or len(plan.spans),
            "backoffLimitPerIndex": DEFAULT_RETRIES,
            "podFailurePolicy": {
                "rules": [
                    # A node that is drained or preempted is no failure of the shard.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    _exit_rule("FailIndex", sorted(FINAL_CODES)),
                    _exit_rule("Count", sorted(RETRIED_CODES)),
                ]
            },
            "template": {"spec": pod},
        },
    }


def batch_job_definition(
    plan: BackfillPlan, out: str, image: str, arguments: Sequence[str], *, job_role: str | None = None
) -> dict[str, Any]:
    """Return the input of RegisterJobDefinition for an array job with a child for each shard.

    ``arguments`` are those of the container. Raises UsageError for an output that the children do not share, or more
    shards than an array has children.
    """
    _check_output(out)
    if len(plan.spans) > _MOST_BATCH_CHILDREN:
        raise UsageError(
            f"AWS Batch runs {_MOST_BATCH_CHILDREN:,} shards at most, not {len(plan.spans):,}",
            cause="an array job has at most so many children",
            code=ErrorCode.ENGINE_UNSUITABLE,
            subject=out,
        )
    container: dict[str, Any] = {
        "image": image,
        "command": list(arguments),
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": str(MEMORY_MIB)}],
    }
    if job_role is not None:
        container["jobRoleArn"] = job_role
    retried = [*sorted(RETRIED_CODES), ExitCode.PARTIAL]
    return {
        "jobDefinitionName": _name(plan),
        "type": "container",
        "containerProperties": container,
        "retryStrategy": {
            "attempts": DEFAULT_RETRIES + 1,
            "evaluateOnExit": [
                *({"onExitCode": str(int(code)), "action": "RETRY"} for code in retried),
                # A host that was reclaimed left no exit code, and is retried.
                {"onExitCode": "*", "action": "EXIT"},
            ],
        },
    }


def batch_array_size(plan: BackfillPlan) -> int | None:
    """Return the size of the array that runs all shards; None for one shard: an array has two children at least."""
    return len(plan.spans) if len(plan.spans) > 1 else None


def _name(plan: BackfillPlan) -> str:
    return f"nimble-backfill-{plan.backfill.id[:12]}"


def _exit_rule(action: str, codes: list[ExitCode]) -> dict[str, Any]:
    values = [int(code) for code in codes]
    return {"action": action, "onExitCodes": {"containerName": "shard", "operator": "In", "values": values}}


def _scratch_mebibytes(plan: BackfillPlan) -> int:
    # The rows of a shard are built beside its results.
    return max(256, math.ceil(2 * estimate(plan).scratch_bytes / _MEBIBYTE))


def _check_output(out: str) -> None:
    if out.partition("://")[0] not in ("s3", "gs"):
        raise UsageError(
            f"the machines of an engine do not share {out}",
            cause="the output is a directory of this machine; engines need one in s3:// or gs://",
            code=ErrorCode.ENGINE_UNSUITABLE,
            subject=out,
        )
