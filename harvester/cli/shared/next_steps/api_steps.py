"""What to do after an error of Nimble's API, and about tasks that have no object."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvester.cli.shared.next_steps.step_values import RUN_AGAIN, SYNC, StepText, StepValues
from harvester.error_codes import ErrorCode


def _api_object(values: StepValues) -> str:
    if not values.get("id"):
        return "check NIMBLE_BASE_URL"
    return _id(values)


def _id(values: StepValues) -> str:
    match values.get("noun"):
        case "results of task":
            return f"nimble-harvester tasks get {values['id']}" if values.get("id") else "nimble-harvester tasks list"
        case "batch":
            return "nimble-harvester batches list"
        case "run" | "job":
            return "nimble-harvester runs list"
        case _:
            return "nimble-harvester tasks list"


REMEDY_STEPS: Mapping[str, str] = MappingProxyType(
    {
        "sync": SYNC,
        "sync_with_limits": f"{SYNC}, with a higher --max-object-bytes or --unsafe-names hash",
        "rescue": "nimble-harvester reconcile {destination} --batch {batch} --rescue",
        "rescue_by_file": "nimble-harvester reconcile {destination} --tasks FILE --rescue",
        "submit_again": "submit the request again: neither the bucket nor Nimble holds its result",
        "check_rescued": (
            "inspect the rescued result (nimble-harvester status {destination} --problems), or submit the request again"
        ),
        "remove_duplicates": f"delete all but one of its objects from the bucket, then {SYNC}",
        "show_run": "nimble-harvester runs get {run}",
    }
)
"""What to run or do for each remedy of a reconciliation."""


def remedy_step(remedy: str, **values: str | None) -> str:
    """Return what to run or do for a remedy; ``values`` are destination, location, batch and run."""
    if remedy == "rescue" and not values.get("batch"):
        remedy = "rescue_by_file"
    return REMEDY_STEPS[remedy].format_map(StepValues(values))


_C = ErrorCode
API_STEPS: Mapping[ErrorCode, StepText] = MappingProxyType(
    {
        _C.RESULT_NOT_JSON: "nimble-harvester tasks results {subject} --raw > FILE",
        _C.API_KEY_MISSING: "export NIMBLE_API_KEY=… (the key is in Nimble's console, under account settings)",
        _C.API_KEY_INVALID: "copy the key again from Nimble's console",
        _C.API_KEY_REJECTED: "check NIMBLE_API_KEY against the key in Nimble's console",
        _C.API_ADDRESS_INVALID: "leave it unset for {default}",
        _C.API_ANSWER_UNUSABLE: "check NIMBLE_BASE_URL, and the proxies between",
        _C.API_BODY_UNUSABLE: "raise --max-api-bytes, or check NIMBLE_BASE_URL and the proxies between",
        _C.API_FORBIDDEN: "use a key of the account that submitted it (NIMBLE_API_KEY)",
        _C.API_NOT_FOUND: _api_object,
        _C.API_REQUEST_REFUSED: "check the ids, and NIMBLE_BASE_URL",
        _C.API_THROTTLED: "other programs with the same key share its rate limit",
        _C.API_UNAVAILABLE: "try again later",
        _C.API_UNREACHABLE: "check the network, proxies, and NIMBLE_BASE_URL",
        _C.API_TIMED_OUT: "wait longer (--timeout)",
        _C.OUT_OF_BUDGET: "top up the account, or wait for its next period",
        _C.RESULT_EXPIRED: "submit the request again, with delivery to a bucket to keep the result",
        _C.NOT_AN_ID: _id,
        _C.BATCHES_NOT_COMPLETED: "nimble-harvester batches wait {batches}",
        _C.TASKS_NOT_ENDED: f"wait longer (--timeout), or {RUN_AGAIN}",
        _C.NO_EXPECTED_TASKS: "name --batch ID, --run ID or --tasks FILE",
        _C.DELIVERY_NEEDS_A_BUCKET: "nimble-harvester delivery-params s3://BUCKET/PREFIX/",
        _C.OBJECT_NAME_INVALID: "leave the name out to use the task id",
        _C.CALLBACK_INVALID: "use --callback https://HOST/PATH",
    }
)
"""What to do after an error of Nimble's API."""
