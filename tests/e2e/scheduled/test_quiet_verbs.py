"""Verbs on a schedule beside sync: silent on success, with reasons on standard error, metrics and a heartbeat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.commands.installed_command import Ended, run, sync_report
from scripts.commands.output_schemas import validate
from scripts.servers.nimble_server import NimbleApi, Scenario
from tests.e2e.scheduled.scheduled_commands import samples, scheduled
from tests.e2e.sources import Directory, result

TARGET = ("--mode", "async", "--bucket", "bucket", "--prefix", "nimble/")
OTHER = (*TARGET[:-1], "other/")


@pytest.fixture
def harvested(source: Directory, dest: Path) -> Directory:
    for number in range(12):
        source.put(f"{number}.json", result(number, metadata={"agent": "pdp"}, data={"parsing": {"price": number}}))
    sync_report(source.location, dest)
    return source


def arguments(verb: str, dest: Path, tmp_path: Path) -> Sequence[str | Path]:
    more: dict[str, Sequence[str | Path]] = {
        "export": ("--to", tmp_path / "tables"),
        "evict": ("--older-than", "7d"),
        "profile": ("--accept",),
        "compact": ("--gone-for", "7d"),
        "status": ("--max-age", "1h"),
    }
    verbs = ("problems", "list") if verb == "problems" else (verb,)
    return (*verbs, dest, *more.get(verb, ()))


@pytest.mark.parametrize("verb", ["export", "evict", "profile", "verify", "compact", "status", "problems"])
def test_quiet_prints_nothing_on_success(harvested: Directory, dest: Path, tmp_path: Path, verb: str) -> None:
    given = arguments(verb, dest, tmp_path)
    assert run(*given, "-q") == Ended(0, "", "")
    assert run(*given).out


@pytest.mark.parametrize(
    ("verb", "code", "reason"),
    [
        ("export", 7, "missing or altered, e.g. 0.json"),
        ("verify", 7, "1 missing"),
        ("status", 15, "the newest delivery"),
        ("problems", 3, "quarantined"),
    ],
)
def test_a_failure_has_its_reasons(
    harvested: Directory, dest: Path, tmp_path: Path, verb: str, code: int, reason: str
) -> None:
    given = [*arguments(verb, dest, tmp_path)]
    if verb == "status":
        given += ["--newest-within", "0s"]
    elif verb == "problems":
        harvested.put("bad.json", b"{")
        sync_report(harvested.location, dest, expected=3)
        given.append("--open")
    else:
        (dest / "0.json").unlink()
    for number, quiet in enumerate(([], ["-q"])):
        if verb == "export":
            given[-1] = tmp_path / f"tables-{number}"
        ended, written = scheduled(*given, *quiet)
        assert ended == code
        assert written.startswith(f"error: exit {code}: ")
        assert reason in written
    if verb == "export":
        given[-1] = tmp_path / "tables"
    both = scheduled(*given, "-q", together=True)[1]
    assert both.count(reason) == 1
    assert "error:" not in both


def test_a_changed_profile_has_its_findings_and_the_next_command(harvested: Directory, dest: Path) -> None:
    assert run("profile", dest, "--accept", "-q").code == 0
    for number in range(60):
        harvested.put(f"new-{number}.json", result(number, metadata={"agent": "other"}, data={"parsing": {"x": 1}}))
        harvested.put(f"same-{number}.json", result(number, metadata={"agent": "pdp"}, data={"parsing": {"y": 1}}))
    sync_report(harvested.location, dest)
    code, written = scheduled("profile", dest, "-q")
    assert code == 16
    assert "! path new: pdp y" in written
    assert f"nimble-harvester profile {dest} --accept" in written


@pytest.mark.parametrize("verb", ["export", "profile"])
def test_metrics_are_written_however_it_ends(harvested: Directory, dest: Path, tmp_path: Path, verb: str) -> None:
    file = tmp_path / f"{verb}.prom"
    given = (*arguments(verb, dest, tmp_path), "--metrics-file", file)
    assert run(*given).code == 0
    first = samples(file.read_text())
    assert (first["run_exit_code"], first["landed_objects"]) == (0, 12)
    assert first["last_success_timestamp_seconds"] == first["run_timestamp_seconds"]
    assert first["export_rows envelopes" if verb == "export" else "profile_rows pdp"] == 12
    assert f'verb="{verb}"' in file.read_text()
    (dest / "0.json").unlink()
    harvested.put("later.json", result(9))
    sync_report(harvested.location, dest)
    (dest / "later.json").unlink()
    assert run(*given).code == 7
    second = samples(file.read_text())
    assert second["run_exit_code"] == 7
    assert second["last_success_timestamp_seconds"] == first["last_success_timestamp_seconds"]
    beats = {each["verb"]: each for each in run("status", dest, "--format", "json").document["heartbeats"]}
    assert beats[verb]["exit_code"] == 7
    unwritable = run(*arguments(verb, dest, tmp_path), "--metrics-file", tmp_path / "none" / "x.prom")
    assert (unwritable.code, "warning: cannot write the metrics" in unwritable.err) == (7, True)


def test_a_reconciliation_measures_itself(harvested: Directory, dest: Path, tmp_path: Path) -> None:
    file = tmp_path / "reconcile.prom"
    tasks = [{"id": f"task-{number}", "state": "success", "batch_id": "b"} for number in range(12)]
    batch = {"id": "b", "tasks": [each["id"] for each in tasks], "completed_at": "2026-01-24T12:38:00.000Z"}
    with NimbleApi(Scenario(tasks=tasks, batches=[batch])) as api:
        variables = {"NIMBLE_API_KEY": api.scenario.api_key, "NIMBLE_BASE_URL": api.url}
        given = ("reconcile", dest, "--batch", "b", "--metrics-file", file)
        assert run(*given, "-q", **variables) == Ended(0, "", "")
        assert samples(file.read_text())["expected_tasks landed"] == 12
        waited = run("batches", "wait", "b", "-q", **variables)
        assert waited == Ended(0, "", "")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    path.write_text(run("policy", "show", *TARGET).out)
    return path


@pytest.mark.parametrize("verb", ["policy", "explain", "diff"])
def test_what_is_not_granted_is_on_standard_error(policy: Path, verb: str) -> None:
    given = {
        "policy": ("policy", "check", policy, *OTHER),
        "explain": ("explain", "s3://bucket/other/", "--mode", "async", "--policy", policy),
        "diff": ("policy", "diff", policy, *OTHER),
    }[verb]
    code, written = scheduled(*given)
    assert code == 10
    assert "s3:PutObject on prefix" in written or "1. add statement" in written
    assert run(*given, "-q").code == 10


def test_what_is_granted_is_silent(policy: Path) -> None:
    assert run("policy", "check", policy, *TARGET, "-q") == Ended(0, "", "")
    assert run("policy", "diff", policy, *TARGET, "-q") == Ended(0, "", "")


def test_a_step_of_a_pipeline_gives_its_reasons_once(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("bad.json", b"{")
    config = tmp_path / "harvest.toml"
    config.write_text(f'[pipeline.acme]\nlocation = "{source.location}"\ndestination = "{dest}"\nsync = {{}}\n')
    code, written = scheduled("--config", config, "run", together=True)
    assert code == 3
    assert written.count("bad.json") == 1
    code, written = scheduled("--config", config, "run", "--format", "json")
    assert code == 0
    ended = run("--config", config, "run", "--format", "json")
    validate("pipeline-run", ended.document)
