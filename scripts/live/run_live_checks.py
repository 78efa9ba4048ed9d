"""Run the store contract suite, and a sync that is killed, repeated and verified, against a real bucket.

NIMBLE_HARVESTER_LIVE_LOCATION names it (s3://BUCKET/PREFIX/ or gs://BUCKET/PREFIX/), credentials are the usual ones.
Everything is written below a new folder under PREFIX and removed at the end. Requests cost money: how much is
printed before anything is written. Never run by CI.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from scripts.commands.installed_command import run, start_group, tree
from scripts.live.live_bucket import LiveBucket, open_bucket
from scripts.servers.memory_s3 import landed, results

VARIABLE = "NIMBLE_HARVESTER_LIVE_LOCATION"
ROOT = Path(__file__).resolve().parents[2]
OBJECTS = 300
_CONTRACT_PUTS, _CONTRACT_GETS = 700, 1_500
_PUT_DOLLARS, _GET_DOLLARS = 0.005 / 1000, 0.0004 / 1000
"""Estimated list prices of S3 and Cloud Storage, the higher of the two; not checked against a price page."""


def main() -> int:
    """Run the checks; return 1 when one failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/test_live", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--yes", action="store_true", help="do not ask before writing")
    options = parser.parse_args()
    named = os.environ.get(VARIABLE, "")
    if not named:
        raise SystemExit(f"{VARIABLE} is not set: it names the bucket and prefix to write below")
    if os.environ.get("CI"):
        raise SystemExit("CI is set: live checks are not for CI")
    location = f"{named.rstrip('/')}/nimble-harvester-live-{uuid.uuid4().hex}/"
    bucket, prefix = open_bucket(location)
    print(f"writes below {location} and removes it again; about ${cost():.2f} for requests, traffic under 20 MB")
    if not options.yes and not is_confirmed():
        raise SystemExit("nothing was written")
    try:
        bucket.put({f"{prefix}first": b"1"})
        remove_all(bucket, prefix)
    except bucket.errors as error:
        raise SystemExit(f"cannot write, list and remove below {location}: {error}") from None
    failed = list(CHECKS)
    try:
        for name, check in CHECKS.items():
            if check(bucket, location, prefix):
                failed.remove(name)
    finally:
        try:
            remaining = remove_all(bucket, prefix)
        except bucket.errors as error:
            raise SystemExit(f"remove {location} yourself: {error}") from error
    print(f"removed; {remaining} objects remain")
    for name in failed:
        print(f"FAILED: {name}", file=sys.stderr)
    return int(bool(failed) or remaining > 0)


def is_confirmed() -> bool:
    """Ask whether to go on; no answer is a no."""
    try:
        return input("go on? [y/N] ").strip().lower() == "y"
    except EOFError:
        print("no answer; --yes does not ask")
        return False


def cost() -> float:
    """Return an upper bound of what the requests cost, in dollars."""
    return (_CONTRACT_PUTS + OBJECTS) * _PUT_DOLLARS + (_CONTRACT_GETS + 3 * OBJECTS) * _GET_DOLLARS


def contract_suite(bucket: LiveBucket, location: str, prefix: str) -> bool:
    """Run the contract suite of stores with this bucket as one more store."""
    del bucket, prefix
    print("the contract suite of stores", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/contract/test_stores.py", "-k", "live"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {VARIABLE: location}, check=False).returncode == 0


def killed_sync(bucket: LiveBucket, location: str, prefix: str) -> bool:
    """Sync, kill it on the way, sync again, verify against the bucket, and compare every byte."""
    print(f"a sync of {OBJECTS} objects, killed, repeated and verified", flush=True)
    objects = results(OBJECTS, 1, prefix="results/")
    bucket.put({f"{prefix}{key}": body for key, body in objects.items()})
    source = f"{location}results/"
    with tempfile.TemporaryDirectory() as folder:
        destination = Path(folder) / "results"
        process = start_group("sync", source, destination)
        while process.poll() is None and len(list(destination.glob("*.json"))) < OBJECTS // 10:
            time.sleep(0.01)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for command in (["sync", source, str(destination)], ["verify", str(destination), "--remote"]):
            ended = run(*command)
            print(ended.out, ended.err, sep="", flush=True)
            if ended.code:
                return False
        found = tree(destination)
    return found == landed(objects, prefix="results/")


CHECKS = {"contract suite": contract_suite, "sync, kill, verify": killed_sync}


def remove_all(bucket: LiveBucket, prefix: str) -> int:
    """Remove every version of every object below the prefix; return how many remain."""
    bucket.remove(list(bucket.versions(prefix)))
    return sum(1 for _ in bucket.versions(prefix))


if __name__ == "__main__":
    sys.exit(main())
