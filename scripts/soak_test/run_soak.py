"""Kill a sync again and again at random instants, and check each time that the next run completes and repairs it."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from scripts.commands import installed_command
from scripts.servers.memory_s3 import landed, results, spoiled
from scripts.servers.server_process import ServerProcess
from scripts.soak_test.backfill_soak import backfill_soak
from scripts.soak_test.export_soak import export_soak
from scripts.soak_test.fuzz import run_for
from scripts.soak_test.handover_soak import handover_soak
from scripts.soak_test.kill_trials import ENDINGS, Broken, Trial
from scripts.soak_test.watch_memory import watch_soak

LOCATION = "s3://bucket/r/"


def main() -> None:
    """Run the soak; exit 1 at the first round that breaks an invariant."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--kills", type=int, help="how many runs to end (default: 200; with --quick: 6)")
    parser.add_argument("--objects", type=int, help="how many objects to sync (default: 2000; with --quick: 300)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeat a soak's random choices")
    parser.add_argument("--quick", action="store_true", help="a soak of under a minute")
    parser.add_argument("--handover", action="store_true", help="kill producer and consumer, and compare their rows")
    parser.add_argument("--export", action="store_true", help="kill exports of every format, and count their rows")
    parser.add_argument(
        "--backfill", action="store_true", help="kill workers of Dask, and count the rows of 200 shards"
    )
    parser.add_argument("--watch", type=int, metavar="LOOKS", help="look so often, and print the memory a look leaves")
    parser.add_argument("--fuzz", type=float, metavar="SECONDS", help="fuzz every parser for so long instead")
    options = parser.parse_args()
    if options.fuzz is not None:
        sys.exit(run_for(options.fuzz, options.seed))
    kills = options.kills or (6 if options.quick else 200)
    objects = options.objects or (300 if options.quick else 2000)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        if options.backfill:
            ended = options.kills or (5 if options.quick else 50)
            sys.exit(backfill_soak(Path(folder), kills=ended, shards=20 if options.quick else 200, seed=options.seed))
        if options.watch is not None:
            sys.exit(watch_soak(Path(folder), looks=options.watch))
        if options.export:
            rounds = options.kills or (2 if options.quick else 20)
            sys.exit(export_soak(Path(folder), rounds=rounds, files=20, rows=50, seed=options.seed))
        if options.handover:
            sys.exit(
                handover_soak(
                    Path(folder),
                    kills=kills,
                    files=3,
                    rows=200 if options.quick else 1_000,
                    seed=options.seed,
                    environment={},
                )
            )
        sys.exit(soak(Path(folder), kills=kills, objects=objects, seed=options.seed))


def soak(folder: Path, *, kills: int, objects: int, seed: int) -> int:
    """Do ``kills`` rounds, each in a fresh destination below ``folder``; return the exit code."""
    print(f"seed {seed}: {kills} kills over {objects:,} objects", flush=True)
    started = time.monotonic()
    ended: Counter[str] = Counter()
    with ServerProcess("scripts.servers.memory_s3", [str(objects), str(seed)]) as server:
        environment = surroundings(server.url, folder)
        wanted = undisturbed(folder / "undisturbed", environment, objects=objects, seed=seed)
        while ended.total() < kills:
            destination = folder / "destination"
            chance = random.Random(f"{seed}:{ended.total()}")
            trial = Trial(LOCATION, destination, wanted, chance, environment)
            # Now and then a run that makes things right is itself ended.
            round_of = min(kills - ended.total(), chance.choice((1, 1, 1, 2, 3)))
            endings = [ENDINGS[(ended.total() + number) % len(ENDINGS)] for number in range(round_of)]
            try:
                for ending in endings:
                    trial.log.append(ending)
                    trial.disturb(ending)
                trial.finish()
            except Broken as broken:
                print(f"BROKEN after {ended.total()} kills: {'; '.join(trial.log)}: {broken}")
                print(f"repeat with: scripts/soak --seed {seed} --kills {kills} --objects {objects}")
                return 1
            ended.update(endings)
            shutil.rmtree(destination)
            print(f"{ended.total():>4}  {'; '.join(trial.log)}", flush=True)
    counted = ", ".join(f"{count} × {ending}" for ending, count in sorted(ended.items()))
    print(counted)
    print(
        f"seed {seed}: {ended.total()} kills, each time the identical tree, no temporary file left,"
        f" a manifest that verifies; {time.monotonic() - started:.0f} s"
    )
    return 0


def surroundings(url: str, folder: Path) -> Mapping[str, str]:
    """Return the environment in which the command reaches the server and nothing of this machine's clouds."""
    nowhere = str(folder / "no-such-file")
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def undisturbed(destination: Path, environment: Mapping[str, str], *, objects: int, seed: int) -> dict[str, bytes]:
    """Return the tree of an undisturbed run, compared with the objects."""
    whole = results(objects, seed)
    bad = {key for key, body in spoiled(whole).items() if body != whole[key]}
    trial = Trial(LOCATION, destination, {}, random.Random(seed), environment)
    code = installed_command.sync(LOCATION, destination, **environment).code
    tree = trial.tree()
    own = {path: body for path, body in tree.items() if not path.startswith(".nimble-harvester/")}
    if code != 3 or own != landed({key: body for key, body in whole.items() if key not in bad}):
        raise Broken(f"an undisturbed run exited {code} with {len(own)} files")
    if len(tree) - len(own) != len(bad):
        raise Broken("an undisturbed run has not quarantined every object that is cut off")
    return tree


if __name__ == "__main__":
    main()
