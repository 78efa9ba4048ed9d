"""Reconcile and rescue, by the installed command, against a real API server and a real copy."""

from __future__ import annotations

import random
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scripts.commands.background_command import wait_until
from scripts.commands.installed_command import COMMAND, Ended, environment, run, start, tree
from scripts.commands.output_schemas import validate
from scripts.servers.nimble_server import NimbleApi
from tests.rigs.expected_batch import BATCH, SOON, World


def reconcile(world: World, api: NimbleApi, *more: str | Path) -> Ended:
    return run(
        "reconcile", world.destination, "--batch", BATCH, *more, NIMBLE_BASE_URL=api.url, NIMBLE_API_KEY="demo-key"
    )


def document(ended: Ended) -> dict[str, Any]:
    """Hold a report against its schema, its own sum and the exit code."""
    validate("reconciliation", ended.document)
    report = ended.document
    assert report["exit_code"] == ended.code
    assert sum(report["counts"].values()) == report["promised"] == len(report["tasks"])
    return report


def nonzero(report: dict[str, Any]) -> dict[str, int]:
    return {name: number for name, number in report["counts"].items() if number}


def test_a_mixed_batch_of_a_thousand_is_accounted_for_until_only_the_truly_failed_remain(world: World) -> None:
    for _ in range(560):
        world.task("landed", delivered=True)
    twice = [world.task("duplicate", delivered=True) for _ in range(30)]
    for task_id in twice:
        world.deliver(task_id, f"custom-{task_id}")
    broken = [world.task("delivered") for _ in range(20)]
    for task_id in broken:
        world.deliver(task_id, body='{"task_id": "' + task_id)
    late = [world.task("delivered") for _ in range(50)]
    missing = [world.task("missing") for _ in range(70)]
    expired = [world.task("missing") for _ in range(10)]
    address = f"{world.location}shared.json"
    winner = world.task("landed", output_url=address)
    losers = [world.task("duplicate", output_url=address) for _ in range(9)]
    world.deliver(winner, "shared")
    arriving = [world.task("arriving", modified_at=SOON) for _ in range(30)]
    for place in range(170):
        world.task("failed_upstream", error=f"no answer {place % 3}", error_type="timeout_error")
    running = [world.task("running") for _ in range(40)]
    running += [world.task("running", state="levitating") for _ in range(10)]
    world.deliver("not-expected")
    (world.source / ".nimble-connection-test").touch()
    world.batch(None)
    world.held(*missing, *broken, *losers)
    world.held(*expired, status=410, body={"error": "results expired"})
    assert len(world.scenario.tasks) == 1000
    world.sync()
    for task_id in late:
        world.deliver(task_id)

    with NimbleApi(world.scenario) as api:
        first = reconcile(world, api, "--format", "json")
        report = document(first)
        assert (first.code, report["promised"], report["counts"]) == (10, 1000, world.expected)
        assert [found["key"] for found in report["unexpected"]] == [f"{world.source}/not-expected.json"]
        assert report["unlisted"] == 1
        assert report["expires_at"] is not None
        for task in report["tasks"]:
            assert (task["next_step"] is not None) == task["gap"]
            assert (task["error_type"] == "timeout_error") == (task["outcome"] == "failed_upstream")

        table = reconcile(world, api)
        assert table.code == 10
        # Commands and keys stay whole, to be copied.
        assert all(len(line) <= 80 for line in table.out.splitlines() if str(world.source.parent) not in line)
        for line in (
            "Missing: succeeded, and no object in the bucket: 80",
            "Failed upstream: 170",
            "  57 × timeout_error: no answer 0",
            f"  next: nimble-harvester reconcile {world.destination} --batch {BATCH} --rescue",
            f"  next: nimble-harvester sync {world.location} {world.destination}",
            "In an undocumented state (levitating), treated as running: 10",
            "Tasks that Nimble counts without naming: 1",
        ):
            assert line in table.out.splitlines()

        # What was under way ends, the late objects are fetched, the rest is rescued.
        world.sync()
        for task in world.scenario.tasks:
            if task["id"] in {*running, *arriving}:
                task |= {"state": "success", "modified_at": SOON}
                world.deliver(task["id"])
        world.sync()
        rescued = reconcile(world, api, "--rescue", "--format", "jsonl")
        events = rescued.lines
        for event in events:
            validate("reconcile-event", event)
        assert len(events[-1]["rescue"]["landed"]) == len(missing) + len(broken) + len(losers)
        assert {each["reason"] for each in events[-1]["rescue"]["lost"]} == {"expired"}
        gaps = [event for event in events if event["event"] == "task" and event["outcome"] == "missing"]
        assert {event["id"] for event in gaps} == set(expired)
        assert {event["reason"] for event in gaps} == {"expired"}

        second = document(reconcile(world, api, "--format", "json"))
    # Thirty came twice, whole; what is missing is gone for good.
    assert nonzero(second) == {"landed": 790, "failed_upstream": 170, "missing": 10, "duplicate": 30}
    assert {task["id"] for task in second["tasks"] if task["gap"]} == {*expired, *twice}
    assert all(task["error"] for task in second["tasks"] if task["outcome"] == "failed_upstream")
    assert run("verify", world.destination).code == 0
    read = run("cat", world.destination, "--meta").lines
    assert {row["task_id"] for row in read} >= {*missing, *broken, *losers}


def reached(world: World, api: NimbleApi, landed: int) -> bool:
    return any("/results" in each for each in api.requests) and len(tree(world.destination)) >= landed


def test_a_rescue_killed_at_any_instant_ends_right_when_run_again(world: World) -> None:
    missing = [world.task("missing") for _ in range(120)]
    invalid = [world.task("missing") for _ in range(5)]
    world.batch()
    world.held(*missing)
    world.held(*invalid, text="<html>Bad gateway</html>")
    world.sync()
    instants = [0, *sorted(random.Random(3).sample(range(1, 120), 3))]
    with NimbleApi(world.scenario) as api:
        for landed in instants:
            api.requests.clear()
            process = start(
                "reconcile",
                world.destination,
                "--batch",
                BATCH,
                "--rescue",
                NIMBLE_BASE_URL=api.url,
                NIMBLE_API_KEY="demo-key",
            )
            # The first is killed before anything has landed, as soon as results are asked for.
            wait_until(partial(reached, world, api, landed))
            process.kill()
            process.communicate()
        ended = reconcile(world, api, "--rescue", "--format", "json")
        report = document(ended)
        again = document(reconcile(world, api, "--rescue", "--format", "json"))
    assert (ended.code, nonzero(report)) == (10, {"landed": len(missing), "missing": len(invalid)})
    assert sorted(each["id"] for each in report["rescue"]["quarantined"]) == invalid
    assert again["rescue"]["landed"] == []
    assert again["counts"] == report["counts"]
    assert {Path(path).stem for path in tree(world.destination)} == set(missing)
    assert run("verify", world.destination).code == 0
    assert [row["task_id"] for row in run("cat", world.destination).lines] != []
    assert not list((world.destination / ".nimble-harvester" / "tmp").iterdir())


@pytest.mark.parametrize(
    ("number", "code", "option"), [(signal.SIGINT, 130, "--wait"), (signal.SIGTERM, 143, "--rescue")]
)
def test_a_signal_ends_the_work_at_once_and_loses_nothing(world: World, number: int, code: int, option: str) -> None:
    running = world.task("running")
    missing = [world.task("missing") for _ in range(60)]
    world.batch(looks=10_000 if option == "--wait" else 0)
    world.held(*missing)
    world.sync()
    # After forty results the API throttles for longer than the client waits.
    world.scenario.faults = [
        {"path": f"/tasks/{task_id}/results", "times": 99, "status": 429, "headers": {"Retry-After": "200"}}
        for task_id in missing[40:]
    ]
    with NimbleApi(world.scenario) as api:
        process = start(
            "reconcile", world.destination, "--batch", BATCH, option, NIMBLE_BASE_URL=api.url, NIMBLE_API_KEY="demo-key"
        )
        asked = ("/progress",) if option == "--wait" else missing[40:]
        wait_until(lambda: any(name in each for name in asked for each in api.requests))
        process.send_signal(number)
        _, printed = process.communicate()
    assert process.returncode == code
    assert printed.endswith("error: interrupted\n  run the same command again to continue\n")
    landed = {Path(path).stem for path in tree(world.destination)}
    assert landed <= set(missing) - {running}
    assert bool(landed) == (option == "--rescue")
    assert run("verify", world.destination).code == 0


@pytest.mark.parametrize(
    ("arguments", "key", "code", "printed"),
    [
        (("--batch", "nowhere"), "demo-key", 2, "Nimble knows no batch nowhere"),
        (("--batch", "theirs"), "demo-key", 4, "may not read batch theirs"),
        (("--batch", BATCH), "wrong-key", 4, "rejected the API key"),
        ((), "demo-key", 2, "no tasks to reconcile"),
        (("--tasks", "results.csv"), "demo-key", 7, "results.csv, line 1: not a file of tasks"),
    ],
)
def test_invalid_input_is_an_error_of_three_lines(
    world: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], key: str, code: int, printed: str
) -> None:
    world.task("missing")
    world.batch()
    world.sync()
    world.scenario.forbidden = ["theirs"]
    monkeypatch.chdir(world.source.parent)
    Path("results.csv").write_text("id,state\n1,success\n")
    before = tree(world.destination)
    with NimbleApi(world.scenario) as api:
        ended = run("reconcile", world.destination, *arguments, "--rescue", NIMBLE_BASE_URL=api.url, NIMBLE_API_KEY=key)
    assert (ended.code, ended.out) == (code, "")
    assert printed in ended.err
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) <= 3
    assert "wrong-key" not in ended.err
    assert tree(world.destination) == before


def test_tasks_may_come_on_standard_input(world: World) -> None:
    world.task("landed", delivered=True)
    world.batch()
    world.sync()
    ids = "".join(f"{task['id']}\n" for task in world.scenario.tasks)
    with NimbleApi(world.scenario) as api:
        ended = subprocess.run(
            [COMMAND, "reconcile", world.destination, "--tasks", "-"],
            input=ids,
            capture_output=True,
            text=True,
            env=environment(NIMBLE_BASE_URL=api.url, NIMBLE_API_KEY="demo-key"),
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "1 expected: 1 landed\n"


def test_an_invalid_rescue_names_the_next_step(world: World) -> None:
    missing = world.task("missing")
    world.batch()
    world.sync()
    world.held(missing, text="<html>")
    with NimbleApi(world.scenario) as api:
        ended = reconcile(world, api, "--rescue")
    assert ended.code == 10
    assert f"  next: inspect the rescued result (nimble-harvester status {world.destination} --problems)" in ended.out
    printed = run("status", world.destination, "--problems", "--format", "json").document["known_problems"]
    assert (world.destination / printed[0]["path"]).read_text() == "<html>"


def test_no_key_and_no_copy_are_configuration_errors(tmp_path: Path) -> None:
    assert run("reconcile", tmp_path, "--batch", "x").code == 8
    with NimbleApi() as api:
        ended = run("reconcile", tmp_path / "never", "--batch", "x", NIMBLE_BASE_URL=api.url, NIMBLE_API_KEY="demo-key")
    assert ended.code == 8
    assert "never been synced" in ended.err
    assert api.requests == []


def test_a_budget_used_up_during_a_rescue_hides_no_account(world: World) -> None:
    missing = world.task("missing")
    world.batch()
    world.held(missing, status=402, body={"detail": "no budget"})
    world.sync()
    with NimbleApi(world.scenario) as api:
        ended = reconcile(world, api, "--rescue", "--format", "json")
    assert (ended.code, nonzero(document(ended))) == (4, {"missing": 1})
    assert ended.document["tasks"][0]["reason"] == "rescue_failed"
    assert "no budget" in ended.err


def test_text_of_the_api_cannot_control_a_terminal(world: World) -> None:
    world.task("failed_upstream", error="boom\x1b[2J " + "x " * 100, error_type="fatal\r")
    world.batch()
    world.sync()
    with NimbleApi(world.scenario) as api:
        ended = reconcile(world, api)
    assert ended.code == 0
    assert "\x1b" not in ended.out + ended.err
    assert "\r" not in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
