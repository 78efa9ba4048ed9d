"""A run that is ended in any way, and run again, ends in the tree of an undisturbed run."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scripts.commands import installed_command
from scripts.servers.server_process import ServerProcess
from scripts.soak_test.kill_trials import ENDINGS, Trial
from scripts.soak_test.run_soak import LOCATION, surroundings, undisturbed

OBJECTS, SEED = 200, 20260209


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with ServerProcess("scripts.servers.memory_s3", [str(OBJECTS), str(SEED)]) as server:
        yield surroundings(server.url, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def wanted(environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    destination = tmp_path_factory.mktemp("undisturbed") / "destination"
    return undisturbed(destination, environment, objects=OBJECTS, seed=SEED)


@pytest.fixture
def trial(tmp_path: Path, wanted: dict[str, bytes], environment: Mapping[str, str]) -> Trial:
    return Trial(LOCATION, tmp_path / "destination", wanted, random.Random(SEED), environment)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_next_run_makes_it_right(trial: Trial, ending: str) -> None:
    trial.disturb(ending)
    trial.finish()


def test_one_blow_after_another(trial: Trial) -> None:
    for ending in ("interrupt", "cut the power", "kill the process group", "cut the power"):
        trial.disturb(ending)
    trial.finish()


def test_what_was_durable_is_not_fetched_again(trial: Trial) -> None:
    first = installed_command.sync(LOCATION, trial.destination, "--max-objects", "120", **trial.environment)
    assert first.counts["landed"] > 100
    trial.disturb("cut the power")

    ended = installed_command.sync(LOCATION, trial.destination, "--fail-on", "any", **trial.environment)

    assert ended.code == 3
    assert ended.counts["unchanged"] >= first.counts["landed"]
    # On a fast machine the disturbed run may have landed the rest before the blow fell.
    landed_from = ended.document["first_seq"]
    assert landed_from is None or landed_from > first.document["last_seq"]
    assert trial.tree() == trial.wanted


def test_the_soak_itself(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "scripts.soak_test.run_soak",
            "--quick",
            "--kills",
            "1",
            "--objects",
            "60",
            "--seed",
            "7",
        ],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended
    first, *_, last = ended.stdout.splitlines()
    assert first == "seed 7: 1 kills over 60 objects"
    assert last.startswith("seed 7: 1 kills, each time the identical tree, no temporary file left, a manifest that")
