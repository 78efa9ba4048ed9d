"""Every option of ``sync``, alone."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from scripts.commands.installed_command import checked_report, run, sync_report, tree
from scripts.commands.output_schemas import validate
from scripts.inputs.deliveries import RESIDUE
from tests.e2e.sources import Directory, landed, result

KEYS = ("2026/a.json", "2026/b.txt.json", "2025/a.json", "a.json")


@pytest.fixture
def filled(source: Directory) -> Directory:
    for number, key in enumerate(KEYS):
        source.put(key, result(number))
    return source


def test_dry_run_writes_nothing(filled: Directory, dest: Path) -> None:
    report = sync_report(filled.location, dest, "--dry-run")
    assert not dest.exists()
    assert report["dry_run"] is True
    assert (report["run"], report["counts"]["not_attempted"], landed(report)) == (0, 4, 0)
    dry = run("sync", filled.location, dest, "--dry-run")
    assert f"would fetch {filled.path}/a.json -> a.json (new)\n" in dry.out
    assert dry.out.splitlines()[-1].startswith("4 listed: 0 landed, 0 unchanged, 4 to fetch;")
    assert not dest.exists()


def test_dry_run_changes_nothing_that_is_there(filled: Directory, dest: Path) -> None:
    sync_report(filled.location, dest)
    filled.put("a.json", result(9))
    filled.remove("2025/a.json")

    def state() -> dict[Path, int]:
        # SQLite's own files beside the manifest come with every reader.
        return {
            path: path.stat().st_mtime_ns for path in dest.rglob("*") if path.is_file() and "sqlite-" not in path.name
        }

    before = state()
    report = sync_report(filled.location, dest, "--dry-run")
    assert state() == before
    assert (report["counts"]["not_attempted"], report["counts"]["unchanged"], report["source_gone"]) == (1, 2, 1)


def test_dry_run_distinguishes_old_problems_from_new(source: Directory, dest: Path) -> None:
    source.put("bad.json", b"{")
    # With the same limit: with another one a quarantined object would be looked at again.
    sync_report(source.location, dest, "--max-object-bytes", "4kB", expected=3)
    source.put("large.json", b"{" + b" " * 5000)
    report = sync_report(source.location, dest, "--dry-run", "--max-object-bytes", "4kB", expected=3)
    assert [(problem["reason"], problem["known"]) for problem in report["problems"]] == [
        ("invalid_json", True),
        ("too_large", False),
    ]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--include", "2026/*"), {"2026/a.json", "2026/b.txt.json"}),
        (("--include", "2026/*", "--include", "a.*"), {"2026/a.json", "2026/b.txt.json", "a.json"}),
        (("--exclude", "*.txt.json"), {"2026/a.json", "2025/a.json", "a.json"}),
        (("--exclude", "2026/a*", "--include", "*a.json"), {"2025/a.json", "a.json"}),
        (("--include", "*a.json", "--exclude", "2026/a*"), {"2025/a.json", "a.json"}),
        (("--include", "nothing"), set()),
    ],
)
def test_include_and_exclude(filled: Directory, dest: Path, options: tuple[str, ...], wanted: set[str]) -> None:
    report = sync_report(filled.location, dest, *options)
    assert set(tree(dest)) == wanted
    assert report["counts"]["ignored"] == len(KEYS) - len(wanted)
    assert set(report["ignored_by_reason"]) <= {"not_included", "excluded"}


def test_since_and_until(filled: Directory, dest: Path) -> None:
    now = time.time()
    for age, key in ((0, "a.json"), (3600, "2025/a.json"), (3 * 86400, "2026/a.json"), (7 * 86400, "2026/b.txt.json")):
        os.utime(filled.path / key, (now - age, now - age))
    report = sync_report(filled.location, dest, "--since", "24h")
    assert set(tree(dest)) == {"a.json", "2025/a.json"}
    assert report["ignored_by_reason"] == {"before_since": 2}
    day = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 5 * 86400))
    report = sync_report(filled.location, dest, "--since", day, "--until", "2d")
    assert set(tree(dest)) == {"a.json", "2025/a.json", "2026/a.json"}
    assert report["ignored_by_reason"] == {"before_since": 1, "after_until": 2}


@pytest.mark.parametrize(
    ("level", "landing"),
    [
        ("off", {"good.json", "shape.json", "broken.json", "schema.json"}),
        ("shape", {"good.json", "schema.json"}),
        ("schema", {"good.json"}),
    ],
)
def test_validate(source: Directory, dest: Path, level: str, landing: set[str]) -> None:
    source.put("good.json", result(1))
    source.put("shape.json", b'{"unknown": 1}')
    source.put("broken.json", b'{"status": ')
    source.put("schema.json", result(1, status=7, data={"parsing": 3}))
    report = sync_report(source.location, dest, "--validate", level, expected=0 if len(landing) == 4 else 3)
    assert set(tree(dest)) == landing
    assert report["counts"]["quarantined"] == 4 - len(landing)


def test_the_users_schema_names_the_place(source: Directory, dest: Path, tmp_path: Path) -> None:
    schema = tmp_path / "price.json"
    schema.write_text(json.dumps({"properties": {"price": {"type": "number"}}}))
    source.put("a.json", result(1, data={"parsing": {"price": "secret-value"}}))
    report = sync_report(source.location, dest, "--schema", schema, expected=3)
    (problem,) = report["problems"]
    assert problem["reason"] == "user_schema"
    assert "price" in problem["detail"]
    assert "secret-value" not in json.dumps(report)


@pytest.mark.parametrize("text", [None, "{", '{"type": 3}'])
@pytest.mark.parametrize("verb", ["sync", "watch", "listen"])
def test_an_unusable_schema_is_refused(
    source: Directory, dest: Path, tmp_path: Path, verb: str, text: str | None
) -> None:
    schema = tmp_path / "schema.json"
    if text is not None:
        schema.write_text(text)
    source.put("a.json", result(1, data={"parsing": {}}))
    places = (dest, "--location", source.location) if verb == "listen" else (source.location, dest)
    refused = run(verb, *places, "--schema", schema)
    assert refused.code == 2
    assert str(schema) in refused.err.splitlines()[0]
    assert "Traceback" not in refused.err
    assert not dest.exists()


def test_a_report_names_an_unusable_schema(source: Directory, dest: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert run("sync", source.location, dest, "--schema", tmp_path / "none.json", "--report", report).code == 2
    assert "none.json" in json.loads(report.read_text())["error"]["what"]


def test_workers(filled: Directory, dest: Path) -> None:
    assert landed(sync_report(filled.location, dest, "--workers", "3")) == 4
    assert run("sync", filled.location, dest, "--workers", "0").code == 2


def test_larger_objects_are_refused(source: Directory, dest: Path) -> None:
    source.put("small.json", result(1))
    key = source.put("large.json", result(2, data={"html": "x" * 5000}))
    report = sync_report(source.location, dest, "--max-object-bytes", "2KB", expected=3)
    assert set(tree(dest)) == {"small.json"}
    assert report["counts"]["refused"] == 1
    assert (report["problems"][0]["key"], report["problems"][0]["reason"]) == (key, "too_large")
    assert landed(sync_report(source.location, dest)) == 1


def test_at_most_so_many_objects(filled: Directory, dest: Path) -> None:
    report = sync_report(filled.location, dest, "--max-objects", "3")
    assert (landed(report), report["counts"]["not_attempted"]) == (3, 1)
    report = sync_report(filled.location, dest, "--max-objects", "3")
    assert (landed(report), report["counts"]["unchanged"], report["counts"]["not_attempted"]) == (1, 3, 0)


def test_an_empty_source(source: Directory, dest: Path) -> None:
    empty = run("sync", source.location, dest)
    assert empty.code == 0
    assert empty.out.splitlines()[0] == f"There is no object under {source.location}"
    assert sync_report(source.location, dest, "--fail-on-empty", expected=9)["counts"]["listed"] == 0


def test_a_residue_and_markers_are_no_results(source: Directory, dest: Path) -> None:
    source.put(RESIDUE, b"")
    source.put(f"deep/{RESIDUE}", b"")
    report = sync_report(source.location, dest, "--fail-on-empty", expected=9)
    assert report["ignored_by_reason"] == {"probe_residue": 2}
    assert f"There is no result under {source.location}" in run("sync", source.location, dest).out
    source.put("a.json", result(1))
    assert landed(sync_report(source.location, dest, "--fail-on-empty")) == 1
    assert tree(dest) == {"a.json": result(1)}


def test_a_residue_with_content_is_a_result(source: Directory, dest: Path) -> None:
    source.put(RESIDUE, result(1))
    assert landed(sync_report(source.location, dest)) == 1


def test_known_problems_may_be_left_out(source: Directory, dest: Path) -> None:
    source.put("bad.json", b"{")
    sync_report(source.location, dest, expected=3)
    sync_report(source.location, dest)
    sync_report(source.location, dest, "--fail-on", "any", expected=3)
    source.put("worse.json", b"[")
    report = sync_report(source.location, dest, expected=3)
    assert sorted(problem["known"] for problem in report["problems"]) == [False, True]


def test_failed_tasks_may_fail_the_run(source: Directory, dest: Path) -> None:
    source.put("good.json", result(1))
    key = source.put("failed.json", result(2, status="failed", data=None))
    report = sync_report(source.location, dest)
    assert report["upstream"] == {"failed": 1, "success": 1}
    assert "Landed envelopes by their own status: 1 failed, 1 success." not in run("sync", source.location, dest).out
    report = sync_report(source.location, dest, "--fail-on-upstream-error", "--fail-on", "any", expected=3)
    assert [(problem["key"], problem["reason"], problem["known"]) for problem in report["problems"]] == [
        (key, "upstream_error", True)
    ]
    sync_report(source.location, dest, "--fail-on-upstream-error")


def test_unsafe_names_land_under_their_hash_or_are_refused(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("good.json", result(1))
    source.put("line\nbreak.json", result(2))
    source.put("_keys/x.json", result(3))
    report = sync_report(source.location, dest)
    assert (landed(report), report["renamed"]) == (3, 2)
    assert sorted(tree(dest).values()) == sorted([result(1), result(2), result(3)])
    assert {path.split("/")[0] for path in tree(dest)} == {"good.json", "_keys"}
    refusing = tmp_path / "refusing"
    report = sync_report(source.location, refusing, "--unsafe-names", "refuse", expected=3)
    assert (landed(report), report["counts"]["refused"]) == (1, 2)
    assert {problem["reason"] for problem in report["problems"]} == {"control_character", "reserved_name"}
    printed = run("sync", source.location, refusing, "--unsafe-names", "refuse").out
    assert "line\\nbreak" in printed
    assert "line\nbreak" not in printed


def test_names_that_are_not_utf8_are_refused_by_name(source: Directory, dest: Path) -> None:
    (source.path / os.fsdecode(b"caf\xe9.json")).write_bytes(result(1))
    ended = run("sync", source.location, dest, "--format", "jsonl")
    assert ended.code == 3
    event, report = ended.lines
    validate("sync-event", event)
    assert event["outcome"] == "refused"
    assert report["problems"][0]["reason"] == "name_not_utf8"


def test_the_state_may_lie_elsewhere(filled: Directory, dest: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert landed(sync_report(filled.location, dest, "--state-dir", state)) == 4
    assert (state / "manifest.sqlite").is_file()
    assert not (dest / ".nimble-harvester" / "manifest.sqlite").exists()
    assert sync_report(filled.location, dest, "--state-dir", state)["counts"]["unchanged"] == 4
    assert run("verify", dest, "--state-dir", state).code == 0
    assert len(run("cat", dest, "--state-dir", state).lines) == 4
    assert run("status", dest, "--state-dir", state).code == 0
    assert run("status", dest).code == 8


def test_the_report_is_a_file_too(filled: Directory, dest: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report = sync_report(filled.location, dest, "--report", path)
    assert json.loads(path.read_text()) == report
    refused = run("sync", filled.location, dest, "--report", tmp_path / "no" / "such" / "report.json")
    assert refused.code == 2
    assert "mkdir -p" in refused.err


def test_events_come_as_lines(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("bad.json", b"{")
    source.put(RESIDUE, b"")
    ended = run("sync", source.location, dest, "--format", "jsonl")
    *events, report = ended.lines
    for line in ended.lines:
        validate("sync-event", line)
    assert {(event["key"].rpartition("/")[2], event["outcome"], event["seq"]) for event in events} == {
        ("a.json", "landed", 1),
        ("bad.json", "quarantined", 0),
        (RESIDUE, "ignored", 0),
    }
    assert report.pop("event") == "report"
    assert checked_report(report, 3)["counts"]["listed"] == len(events) == 3


def test_options_may_come_from_the_environment(filled: Directory, dest: Path) -> None:
    report = sync_report(
        filled.location, dest, NIMBLE_HARVESTER_SYNC_INCLUDE="2026/*", NIMBLE_HARVESTER_SYNC_MAX_OBJECTS="1"
    )
    assert (landed(report), report["ignored_by_reason"]) == (1, {"not_included": 2})


def test_messages_may_be_json(source: Directory, dest: Path, tmp_path: Path) -> None:
    failed = run("sync", f"file://{tmp_path}/nowhere/", dest, "--log-format", "json", "--format", "json")
    assert failed.code == 5
    (line,) = failed.err.splitlines()
    message = json.loads(line)
    assert {"time", "level", "message", "exit_code", "retryable", "error"} < set(message)
    assert message["level"] == "error"
    checked_report(failed.document, 5)
    unstarted = run("sync", source.location, source.path, "--log-format", "json")
    assert (unstarted.code, json.loads(unstarted.err)["level"]) == (2, "error")


def test_a_time_span_that_holds_nothing_is_refused(filled: Directory, dest: Path) -> None:
    refused = run("sync", filled.location, dest, "--since", "1h", "--until", "2h")
    assert refused.code == 2
    assert refused.err.startswith("error: --since is not before --until")
    assert not dest.exists()


def test_filters_that_select_nothing_are_reported(filled: Directory, dest: Path) -> None:
    ended = run("sync", filled.location, dest, "--include", "nothing*")
    assert ended.code == 0
    assert ended.out.startswith(f"There is no result under {filled.location} that the filters let through\n")


@pytest.mark.parametrize("option", ["--since", "--until", "--max-object-bytes", "--workers", "--fail-on", "--format"])
def test_values_that_cannot_be(source: Directory, dest: Path, option: str) -> None:
    refused = run("sync", source.location, dest, option, "nonsense")
    assert refused.code == 2
    assert option in refused.err
    assert "nonsense" in refused.err
