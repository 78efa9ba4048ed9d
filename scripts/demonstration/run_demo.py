"""The steps of ``scripts/demo``: deliver into an embedded S3 as Nimble does, and use the installed command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from scripts.demonstration.reconcile_step import reconcile_batch
from scripts.inputs.deliveries import Delivery, deliveries
from scripts.servers.server_process import ServerProcess

BUCKET = "acme-results"
PREFIX = "nimble/"
LOCATION = f"s3://{BUCKET}/{PREFIX}"
OBJECTS = 300
REPORT = Path(tempfile.gettempdir()) / "nimble-harvester-demo-report.html"
"""The report that the last step writes; it outlives the demo."""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""What AWS's documentation shows; the embedded S3 takes any."""


class DemoFailed(Exception):
    """A step did not end as the demonstration states."""


class Demo:
    """A bucket, a folder to work in, and the installed command."""

    def __init__(self, endpoint: str, folder: Path, programs: Path = Path(sys.executable).parent) -> None:
        """Take the folder of programs that holds the command."""
        self.endpoint = endpoint
        self.folder = folder
        foreign = ("AWS_", "GOOGLE_", "NIMBLE_", "STORAGE_EMULATOR_HOST")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**inherited, **CREDENTIALS, "AWS_ENDPOINT_URL": endpoint, "PATH": path}
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def deliver(self, delivery: Delivery) -> None:
        """Store one object as Nimble does."""
        headers = {name.replace("-", ""): value for name, value in delivery.headers.items()}
        self.s3.put_object(Bucket=BUCKET, Key=PREFIX + delivery.key, Body=delivery.body, **headers)

    def announce(self) -> str:
        """Let the bucket announce what arrives; return the URL of the queue."""
        sqs: Any = boto3.client(
            "sqs",
            endpoint_url=self.endpoint,
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        dead = sqs.create_queue(QueueName="results-dead")["QueueUrl"]
        policy = {"deadLetterTargetArn": self._arn(sqs, dead), "maxReceiveCount": 10}
        queue: str = sqs.create_queue(QueueName="results", Attributes={"RedrivePolicy": json.dumps(policy)})["QueueUrl"]
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": self._arn(sqs, queue), "Events": ["s3:ObjectCreated:*"]}]
            },
        )
        return queue

    def _arn(self, sqs: Any, queue: str) -> str:
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def run(self, command: str, *, expected: int = 0) -> None:
        """Show a command line and what it prints; it must end as expected."""
        print(f"\n$ {command}", flush=True)
        ended = subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.environment, check=False)
        if ended.returncode != expected:
            raise DemoFailed(f"it ended with exit code {ended.returncode} instead of {expected}: {command}")

    def report(self, name: str) -> dict[str, Any]:
        """Return a report that a run has written."""
        document: dict[str, Any] = json.loads((self.folder / name).read_text())
        return document


def title(text: str) -> None:
    print(f"\n\n== {text}", flush=True)


def explain(text: str) -> None:
    print("\n" + textwrap.fill(" ".join(text.split()), width=80, break_on_hyphens=False), flush=True)


def require(claim: str, *, holds: bool) -> None:
    """Raise DemoFailed unless what the demonstration states holds."""
    if not holds:
        raise DemoFailed(f"this does not hold: {claim}")


def deliver_results(demo: Demo) -> None:
    title("Nimble delivers")
    demo.s3.create_bucket(Bucket=BUCKET)
    kinds: Counter[str] = Counter()
    for delivery in deliveries(OBJECTS):
        demo.deliver(delivery)
        suffix = Path(delivery.key.removesuffix(".gz")).suffix + (".gz" if delivery.key.endswith(".gz") else "")
        kinds[suffix or "the residue of a connection test"] += 1
    counted = ", ".join(f"{number} × {kind}" for kind, number in kinds.most_common())
    explain(
        f"""An S3 server now runs on this machine, at {demo.endpoint}, and its bucket {BUCKET} holds {OBJECTS} objects
        as Nimble delivers them, under {PREFIX} ({counted}). They are pages, parsed products, crawl pages, outputs of
        jobs and a screenshot; some are gzip, one of these cut short; one is the envelope of a task that failed."""
    )


def grant_access(demo: Demo) -> None:
    title("Grant Nimble access, and verify it")
    demo.run(f"nimble-harvester policy apply {LOCATION} --mode async --yes --backup-dir backups")
    demo.run(f"nimble-harvester explain {LOCATION} --mode async")
    demo.run(f"nimble-harvester test {LOCATION} --access read")
    explain(
        """The bucket's policy now grants Nimble's one user the prefix, and no other principal; a backup of the policy
        before is kept. `explain` proves it for every key, statement by statement; settings that this embedded S3 lacks
        are unknown. `test` makes the requests of Nimble's Test Connection, with your credentials."""
    )


def sync_all(demo: Demo) -> None:
    title("Download every result")
    demo.run(f"nimble-harvester sync {LOCATION} ./results --report first.json", expected=3)
    counts = demo.report("first.json")["counts"]
    parts = {name: number for name, number in counts.items() if name != "listed"}
    require("every listed object is in exactly one count", holds=counts["listed"] == OBJECTS == sum(parts.values()))
    explain(
        f"""Every listed object is accounted for: {counts["listed"]} = """
        + " + ".join(f"{number} {name.replace('_', ' ')}" for name, number in parts.items() if number)
        + """. What landed was decompressed and validated. The object that was cut short is kept in the quarantine and
        named, and the command exited with 3, so that no script can take it for a success. Ignored is the empty object
        that a connection test leaves behind."""
    )
    require("one object was quarantined, one ignored", holds=counts["quarantined"] == counts["ignored"] == 1)


def sync_again(demo: Demo) -> None:
    title("Again: nothing to do")
    demo.run(f"nimble-harvester sync {LOCATION} ./results --fail-on new --report second.json")
    again = demo.report("second.json")
    require("nothing was fetched again", holds=again["counts"]["landed"] == again["bytes_fetched"] == 0)
    explain(
        """Nothing was fetched again, not even the quarantined object. With --fail-on new, what was reported before
        does not fail the run a second time."""
    )


def sync_new_objects(demo: Demo) -> None:
    title("Only what is new")
    before = demo.report("first.json")["last_seq"]
    newest = [delivery for delivery in deliveries(12, seed=2) if delivery.key.endswith(".json")][:2]
    for delivery in newest:
        demo.deliver(delivery)
    demo.run(f"nimble-harvester sync {LOCATION} ./results --fail-on new --report third.json")
    require("two objects landed", holds=demo.report("third.json")["counts"]["landed"] == len(newest))
    demo.run(f"nimble-harvester cat ./results --after {before} --meta | cut -c 1-78")
    explain(
        f"""Two more results were delivered and only they were fetched. Each landed version has a sequence number:
        `cat --after {before}` hands a consumer exactly what it has not seen yet."""
    )


def watch_queue(demo: Demo) -> None:
    title("As they arrive")
    queue = demo.announce()
    newest = [delivery for delivery in deliveries(12, seed=3) if delivery.key.endswith(".json")][:2]
    for delivery in newest:
        demo.deliver(delivery)
    demo.run(f"nimble-harvester watch {LOCATION} ./results --queue {queue} --once")
    explain(
        """The bucket now announces what arrives to an SQS queue, with a dead-letter queue behind it. `watch --queue`
        lists nothing: it downloads the objects that the messages name, and deletes a message only when its result
        is on the disk.
        Without --once it goes on; `watch --every 30s` does without a queue, `listen` takes Nimble's webhooks."""
    )


def inspect_results(demo: Demo) -> None:
    title("Inspect and read")
    demo.run("nimble-harvester status ./results")
    demo.run("nimble-harvester verify ./results --remote")
    demo.run("nimble-harvester cat ./results --select data.parsing.title | head -n 3")
    explain("`verify` has read every file and compared it with the manifest and the bucket; `cat` streams JSON Lines.")


def verify_damage(demo: Demo) -> None:
    title("Damage is found and repaired")
    damaged = min(path for path in (demo.folder / "results").glob("*.json"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b" ")
    demo.run("nimble-harvester verify ./results", expected=7)
    demo.run(f"nimble-harvester sync {LOCATION} ./results --fail-on new")
    demo.run("nimble-harvester verify ./results")
    explain("The last byte of a landed file was changed: `verify` exits 7 and names it, `sync` fetches it again.")


def write_report(demo: Demo) -> None:
    title("A report to mail")
    demo.run(f"nimble-harvester explain {LOCATION} --mode async --save access >/dev/null")
    demo.run("nimble-harvester profile ./results --accept")
    demo.run("nimble-harvester consumers create ./results warehouse")
    demo.run(f"nimble-harvester report ./results --out {REPORT} --mode async --baseline access")
    page = REPORT.read_text(encoding="utf-8")
    require("the report has less than 1 MB", holds=len(page.encode()) < 1_000_000)
    require("it names the object that was cut short", holds="truncated gzip" in page)
    explain(
        """One HTML file that loads nothing: runs, objects and bytes over time, delays, problems by cause with the next
        command, consumers, fill rates, and the access compared with what it was when it was saved. Open it in a
        browser; it is kept."""
    )


STEPS: tuple[Callable[[Demo], None], ...] = (
    deliver_results,
    grant_access,
    sync_all,
    sync_again,
    sync_new_objects,
    watch_queue,
    inspect_results,
    verify_damage,
    reconcile_batch,
    write_report,
)
"""The steps in their order."""


def main() -> int:
    """Run every step in a temporary folder; return 0 when all ended as stated."""
    with (
        tempfile.TemporaryDirectory(prefix="nimble-harvester-demo-") as folder,
        ServerProcess("scripts.servers.moto_process") as server,
    ):
        demo = Demo(server.url, Path(folder))
        try:
            for step in STEPS:
                step(demo)
        except DemoFailed as failed:
            print(f"\nThe demo failed: {failed}", file=sys.stderr)
            return 1
    explain(
        f"""Done: all {len(STEPS)} steps ended as stated; the server is stopped and the files are removed, but for the
        report: {REPORT}. The same command on your own bucket:
        .venv/bin/nimble-harvester sync s3://YOUR-BUCKET/PREFIX/ ./results"""
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
