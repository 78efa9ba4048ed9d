"""Health of a destination: accepted problems, heartbeats, freshness."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from scripts.commands.installed_command import run, sync_report
from scripts.commands.output_schemas import validate
from tests.e2e.sources import Directory, result


@pytest.fixture
def flawed(source: Directory, dest: Path) -> Directory:
    source.put("good.json", result(1))
    source.put("bad.json", b"{")
    source.put("worse.json", b"[")
    sync_report(source.location, dest, expected=3)
    return source


def beats(dest: Path) -> dict[str, dict[str, object]]:
    document = run("status", dest, "--format", "json").document
    validate("status", document)
    return {each["verb"]: each for each in document["heartbeats"]}


def keys(dest: Path, *options: str) -> list[str]:
    ended = run("problems", "list", dest, "--format", "json", *options)
    validate("problems", ended.document)
    return [each["key"].rpartition("/")[2] for each in ended.document["problems"]]


def test_an_accepted_problem_fails_no_run(flawed: Directory, dest: Path) -> None:
    key = str(flawed.path / "bad.json")
    accepted = run("problems", "accept", dest, key, "--note", "known to the\x1b client", "--format", "json").document
    validate("problems", accepted)
    assert accepted["problems"][0]["accepted"]["note"] == "known to the\x1b client"
    assert "known to the\\x1b client" in run("problems", "list", dest).out
    sync_report(flawed.location, dest, "--fail-on", "any", expected=3)
    run("problems", "accept", dest, "--reason", "invalid_json")
    report = sync_report(flawed.location, dest, "--fail-on", "any")
    assert [problem["accepted"] for problem in report["problems"]] == [True, True]
    assert keys(dest, "--open") == []
    assert keys(dest) == ["bad.json", "worse.json"]
    assert run("problems", "list", dest).out.endswith(": 2 problems\n")


def test_a_new_version_reopens_a_problem(flawed: Directory, dest: Path) -> None:
    run("problems", "accept", dest, "--reason", "invalid_json")
    flawed.put("bad.json", b"{{")
    report = sync_report(flawed.location, dest, expected=3)
    assert {problem["key"].rpartition("/")[2]: problem["accepted"] for problem in report["problems"]} == {
        "bad.json": False,
        "worse.json": True,
    }
    assert keys(dest, "--open") == ["bad.json"]
    assert run("problems", "list", dest, "--open").code == 3


def test_an_acceptance_ends(flawed: Directory, dest: Path) -> None:
    run("problems", "accept", dest, "--reason", "invalid_json", "--until", "30d")
    assert keys(dest, "--open") == []
    with closing(sqlite3.connect(dest / ".nimble-harvester" / "manifest.sqlite")) as state, state:
        state.execute("UPDATE acceptances SET until = ?", (time.time() - 1,))
    state.close()
    assert keys(dest, "--open") == ["bad.json", "worse.json"]


def test_problems_are_reopened_by_hand(flawed: Directory, dest: Path) -> None:
    run("problems", "accept", dest, "--reason", "invalid_json")
    assert run("problems", "reopen", dest, str(flawed.path / "bad.json")).code == 0
    assert keys(dest, "--open") == ["bad.json"]


@pytest.mark.parametrize("verb", ["accept", "reopen"])
def test_unknown_problems_are_refused(flawed: Directory, dest: Path, verb: str) -> None:
    refused = run("problems", verb, dest, "nothing.json")
    assert (refused.code, refused.out) == (2, "")
    assert f"nimble-harvester problems list {dest}" in refused.err
    assert run("problems", verb, dest, "--reason", "nothing").code == 2
    assert run("problems", verb, dest).code == 2
    assert run("problems", verb, dest, "x", "--reason", "invalid_json").code == 2


def test_the_problem_of_an_object_that_is_gone_ends_with_a_complete_listing(flawed: Directory, dest: Path) -> None:
    (flawed.path / "bad.json").unlink()
    sync_report(flawed.location, dest, "--include", "good*")
    assert keys(dest) == ["bad.json", "worse.json"]
    sync_report(flawed.location, dest)
    assert keys(dest) == ["worse.json"]
    quarantine = dest / ".nimble-harvester" / "quarantine"
    assert len([path for path in quarantine.iterdir() if path.is_file()]) == 1


def test_what_a_killed_run_has_met_is_reported_by_the_next(flawed: Directory, dest: Path) -> None:
    with closing(sqlite3.connect(dest / ".nimble-harvester" / "manifest.sqlite")) as state, state:
        state.execute("UPDATE runs SET ended_at = NULL, exit_code = NULL, report = NULL")
    state.close()
    report = sync_report(flawed.location, dest, expected=3)
    assert [problem["known"] for problem in report["problems"]] == [False, False]
    report = sync_report(flawed.location, dest)
    assert [problem["known"] for problem in report["problems"]] == [True, True]


def test_success_is_a_complete_listing_whose_problems_are_accepted(flawed: Directory, dest: Path) -> None:
    assert beats(dest)["sync"]["succeeded_at"] is None
    sync_report(flawed.location, dest)
    assert (beats(dest)["sync"]["succeeded_at"], beats(dest)["sync"]["exit_code"]) == (None, 0)
    run("problems", "accept", dest, "--reason", "invalid_json")
    sync_report(flawed.location, dest, "--max-objects", "1")
    assert beats(dest)["sync"]["succeeded_at"] is not None


def test_watch_has_a_heartbeat_of_its_own(source: Directory, dest: Path) -> None:
    source.put("good.json", result(1))
    assert run("watch", source.location, dest, "--once").code == 0
    assert beats(dest)["watch"]["succeeded_at"] is not None


def test_status_reports_when_the_last_success_is_too_old(flawed: Directory, dest: Path) -> None:
    stale = run("status", dest, "--max-age", "2h")
    assert stale.code == 15
    assert f"  {dest}: no sync, watch or listen has succeeded" in stale.err
    listed = f"nimble-harvester problems list {dest} --open"
    assert f"  {dest}: no run is a success until 2 problems are accepted or solved: {listed}" in stale.err
    assert f"  ! no run is a success until 2 problems are accepted or solved: {listed}" in stale.out
    run("problems", "accept", dest, "--reason", "invalid_json")
    sync_report(flawed.location, dest)
    assert run("status", dest, "--max-age", "2h").code == 0
    with closing(sqlite3.connect(dest / ".nimble-harvester" / "manifest.sqlite")) as state, state:
        state.execute("UPDATE heartbeats SET succeeded_at = ?", (time.time() - 3 * 3600,))
    state.close()
    stale = run("status", dest, "--max-age", "2h", "--format", "json")
    validate("status", stale.document)
    assert (stale.code, stale.document["stale"][0]["kind"]) == (15, "old_success")
    assert "the last success is 3 h 0 min ago, more than 2 h 0 min" in stale.err
    assert "no run is a success" not in stale.err


def test_status_reports_when_nothing_new_is_delivered(source: Directory, dest: Path) -> None:
    source.put("a/1.json", result(1))
    source.put("b/1.json", result(2))
    old = time.time() - 7200
    os.utime(source.path / "a" / "1.json", (old, old))
    sync_report(source.location, dest)
    assert run("status", dest, "--newest-within", "1h", "--min-landed", "2").code == 0
    stale = run("status", dest, "--newest-within", "1h", "--by", "prefix", "--min-landed", "3")
    assert stale.code == 15
    assert "the newest delivery in a/ is 2 h 0 min old, more than 1 h 0 min" in stale.err
    assert "2 objects landed in 1 h 0 min, fewer than 3" in stale.err


def test_status_examines_each_agent(source: Directory, dest: Path) -> None:
    source.put("old.json", result(1, metadata={"agent": "old\x1bone"}))
    source.put("new.json", result(2, metadata={"agent": "new"}))
    source.put("none.json", result(3))
    old = time.time() - 7200
    for name in ("old.json", "none.json"):
        os.utime(source.path / name, (old, old))
    sync_report(source.location, dest)
    assert run("status", dest, "--newest-within", "1h").code == 0
    stale = run("status", dest, "--newest-within", "1h", "--by", "agent", "--format", "json")
    validate("status", stale.document)
    assert [(each["kind"], each["subject"]) for each in stale.document["stale"]] == [("old_delivery", "old\x1bone")]
    assert "the newest delivery of agent old\\x1bone is 2 h 0 min old, more than 1 h 0 min" in stale.err


def test_a_rate_of_problems_may_be_allowed(flawed: Directory, dest: Path) -> None:
    many = run("status", dest, "--max-problem-rate", "66%", "--format", "json")
    validate("status", many.document)
    assert (many.code, many.document["stale"][0]["kind"]) == (3, "many_problems")
    assert "66.667% of the known objects have a problem not accepted, more than 66.000%" in many.err
    assert run("status", dest, "--max-problem-rate", "66%", "--max-age", "1h").code == 15
    assert run("status", dest, "--max-problem-rate", "0.67").code == 0
    flawed.put("new.json", b"{")
    sync_report(flawed.location, dest, "--max-problem-rate", "75%")
    sync_report(flawed.location, dest, "--max-problem-rate", "74.9%", expected=3)
    run("problems", "accept", dest, "--reason", "invalid_json")
    sync_report(flawed.location, dest, "--max-problem-rate", "0")
    assert run("status", dest, "--max-problem-rate", "0").code == 0
    assert run("status", dest, "--max-problem-rate", "101%").code == 2


@pytest.mark.parametrize(("verb", "options"), [("verify", ()), ("evict", ("--older-than", "7d"))])
def test_other_verbs_have_heartbeats(source: Directory, dest: Path, verb: str, options: tuple[str, ...]) -> None:
    source.put("good.json", result(1))
    sync_report(source.location, dest)
    assert run(verb, dest, *options).code == 0
    assert beats(dest)[verb]["succeeded_at"] is not None
