"""A run that a scheduler starts: what remains of it when standard output is thrown away."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harvester.cli.application import COMMANDS, SECTIONS
from scripts.commands.installed_command import COMMAND, Ended, environment, run
from tests.e2e.scheduled.scheduled_commands import scheduled
from tests.e2e.sources import Directory, result


def on_a_terminal(*arguments: str | Path, **variables: str) -> bytes:
    """Run a command on a pseudo-terminal; return all that it showed."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)], stdin=side, stdout=side, stderr=side, env=environment(**variables)
    )
    os.close(side)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:
        pass  # what Linux answers once the other side is closed
    finally:
        os.close(terminal)
    assert process.wait() == 0, shown
    return shown


def last_line(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text.splitlines()[-1])
    return document


@pytest.fixture
def flawed(source: Directory) -> Directory:
    source.put("good.json", result(1))
    source.put("bad.json", b"{")
    return source


def test_a_failure_has_its_reasons_on_standard_error(flawed: Directory, dest: Path) -> None:
    code, written = scheduled("sync", flawed.location, dest)
    assert code == 3
    assert written.startswith("error: exit 3: The run is complete; some objects")
    assert "1 × quarantined" in written
    assert "bad.json" in written


@pytest.mark.parametrize(
    ("options", "variables", "redrawn"),
    [
        ((), {}, True),
        (("--no-progress",), {}, False),
        (("--no-color",), {}, False),
        (("-q",), {}, False),
        ((), {"TERM": "dumb"}, False),
        ((), {"CI": "true"}, False),
    ],
)
def test_control_sequences_are_for_terminals_that_take_them(
    source: Directory, dest: Path, options: tuple[str, ...], variables: dict[str, str], *, redrawn: bool
) -> None:
    source.put("good.json", result(1))
    shown = on_a_terminal("sync", source.location, dest, *options, **variables)
    assert (b"\x1b" in shown) is redrawn
    assert (b"1 landed" in shown) is ("-q" not in options)


def test_reasons_are_not_repeated_where_the_report_goes_too(flawed: Directory, dest: Path) -> None:
    code, written = scheduled("sync", flawed.location, dest, together=True)
    assert code == 3
    assert written.count("bad.json") == 1
    assert "error:" not in written


def test_json_on_standard_output_does_not_take_the_reasons_away(flawed: Directory, dest: Path) -> None:
    code, written = scheduled("sync", flawed.location, dest, "--format", "json")
    assert (code, "1 × quarantined" in written) == (3, True)


def test_the_next_run_is_green_and_silent(flawed: Directory, dest: Path) -> None:
    assert scheduled("sync", flawed.location, dest)[0] == 3
    assert scheduled("sync", flawed.location, dest) == (0, "")
    assert scheduled("sync", flawed.location, dest, "--fail-on", "any")[0] == 3


def test_quiet_prints_nothing_on_success(source: Directory, dest: Path) -> None:
    source.put("good.json", result(1))
    for form in ("table", "json", "jsonl"):
        assert run("sync", source.location, dest, "-q", "--format", form, "--log-format", "json") == Ended(0, "", "")
    source.put("bad.json", b"{")
    ended = run("sync", source.location, dest, "-q")
    assert ended.code == 3
    assert "1 × quarantined" in ended.out
    assert "1 × quarantined" in ended.err


def test_the_log_ends_with_one_summary(flawed: Directory, dest: Path) -> None:
    code, written = scheduled("sync", flawed.location, dest, "--log-format", "json")
    end = last_line(written)
    assert (code, end["event"], end["exit_code"], end["retryable"]) == (3, "end", 3, False)
    assert (end["counts"]["landed"], end["counts"]["quarantined"]) == (1, 1)
    assert end["error"] is None
    code, written = scheduled("sync", flawed.location, dest, "--log-format", "json")
    assert (code, last_line(written)["exit_code"], last_line(written)["level"]) == (0, 0, "info")


def test_an_error_is_in_the_summary(tmp_path: Path, dest: Path) -> None:
    code, written = scheduled("sync", (tmp_path / "none").as_uri(), dest, "--log-format", "json")
    end = last_line(written)
    assert (code, end["retryable"], end["error"]["code"]) == (5, False, "no_such_directory")
    assert end["error"]["next_step"] == "check the path"


def test_other_verbs_explain_themselves_too(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    run("sync", source.location, dest)
    (dest / "a.json").write_text("other")
    code, written = scheduled("verify", dest)
    assert code == 7
    assert "1 differs" in written or "1 different" in written or "error: exit 7" in written


def test_a_misspelt_variable_is_warned_about(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    ended = run("sync", source.location, dest, NIMBLE_HARVESTER_SYNC_WORKER="2")
    assert ended.code == 0
    assert ended.err == (
        "warning: NIMBLE_HARVESTER_SYNC_WORKER is no variable of this program;"
        " the nearest is NIMBLE_HARVESTER_SYNC_WORKERS\n"
    )


def test_the_version_has_a_short_flag() -> None:
    assert run("-V") == run("--version")


def test_the_help_groups_the_verbs() -> None:
    lines = run("--help").out.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options:", *(f"{heading}:" for heading in SECTIONS)]
    for name in COMMANDS:
        assert sum(line.startswith(f"  {name} ") for line in lines) == 1
