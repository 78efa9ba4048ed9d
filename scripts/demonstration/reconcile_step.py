"""The demo's step about reconciliation: submit a batch to an embedded Nimble API, reconcile, rescue."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from scripts.servers.nimble_server import NimbleApi, Scenario, small_result

if TYPE_CHECKING:
    from scripts.demonstration.run_demo import Demo

PREFIX = "batch/"
PAGES = 20
FAILED = range(3)
UNDELIVERED = 7


def reconcile_batch(demo: Demo) -> None:
    """Deliver a batch with failures and one undelivered success; reconcile it; rescue."""
    from scripts.demonstration.run_demo import BUCKET, explain, require, title

    title("Compare the delivered results with the submitted tasks")
    with NimbleApi(Scenario(looks=0)) as api:
        demo.environment |= {"NIMBLE_API_KEY": api.scenario.api_key, "NIMBLE_BASE_URL": api.url}
        demo.run(f"nimble-harvester delivery-params s3://{BUCKET}/{PREFIX} --batch")
        submitted = _submit(api, f"s3://{BUCKET}/{PREFIX}")
        batch_id = submitted["batch_id"]
        for place, task in enumerate(api.tasks.values()):
            task["modified_at"] = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
            if place in FAILED:
                task |= {"state": "error", "error": "the page did not answer", "error_type": "timeout_error"}
            elif place != UNDELIVERED:
                body = json.dumps(small_result(task)).encode()
                demo.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}{task['id']}.json", Body=body)
        explain(
            f"""A small Nimble API now runs on this machine too, at {api.url}. A batch of {PAGES} pages was submitted
            to it: {len(FAILED)} fail, and of one success the result never reaches the bucket."""
        )
        demo.run(f"nimble-harvester batches wait {batch_id}")
        demo.run(f"nimble-harvester sync s3://{BUCKET}/{PREFIX} ./batch")
        demo.run(f"nimble-harvester reconcile ./batch --batch {batch_id}", expected=10)
        explain(
            """The bucket was listed and the manifest read: every task is in exactly one class. One result was paid
            for and is nowhere, hence exit code 10. Nimble still holds it for a while:"""
        )
        demo.run(f"nimble-harvester reconcile ./batch --batch {batch_id} --rescue")
        demo.run(f"nimble-harvester reconcile ./batch --batch {batch_id} --format json > account.json")
        counts = {name: number for name, number in demo.report("account.json")["counts"].items() if number}
        landed = PAGES - len(FAILED)
        require("only the failed remain", holds=counts == {"landed": landed, "failed_upstream": len(FAILED)})
        explain(
            f"""{landed} of {PAGES} have landed, the missing one through the results API, validated like the others; if
            its object arrives later, it replaces the rescued one. What failed is named with Nimble's reason."""
        )


def _submit(api: NimbleApi, location: str) -> dict[str, Any]:
    inputs = [{"url": f"https://www.example.com/{number}"} for number in range(PAGES)]
    shared = {"storage_type": "s3", "storage_url": location}
    request = urllib.request.Request(
        f"{api.url}/v2/extract/batch",
        json.dumps({"inputs": inputs, "shared_inputs": shared}).encode(),
        {"Authorization": f"Bearer {api.scenario.api_key}"},
    )
    with urllib.request.urlopen(request) as answer:
        submitted: dict[str, Any] = json.load(answer)
    return submitted
