"""Flags as environment variables, by the installed command."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from harvester.cli.shared.options.option_variables import CONFIRMATIONS, name_variables
from scripts.commands.installed_command import run


@pytest.mark.parametrize(
    ("variables", "listed", "exit_code"),
    [
        ({}, 2, 0),
        ({"NIMBLE_HARVESTER_SYNC_FAIL_ON_EMPTY": "1", "NIMBLE_HARVESTER_SYNC_EXCLUDE": "*"}, 2, 0),
        ({"NIMBLE_HARVESTER_SYNC_MAX_OBJECTS": "many"}, None, 2),
    ],
)
def test_a_flag_is_also_a_variable(
    tmp_path: Path, variables: dict[str, str], listed: int | None, exit_code: int
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a.json", "b.json"):
        (source / name).write_text('{"url": "u", "status": "success", "data": {}}')
    done = run("sync", f"file://{source}", tmp_path / "copy", NIMBLE_HARVESTER_SYNC_FORMAT="json", **variables)
    assert done.code == exit_code, done.err
    if listed is not None:
        counts = done.document["counts"]
        assert counts["listed"] == listed
        assert counts["ignored"] == (2 if "NIMBLE_HARVESTER_SYNC_EXCLUDE" in variables else 0)


def test_no_variable_confirms() -> None:
    confirmation, flag = click.Option(["--yes", "-y"]), click.Option(["--max-objects"])
    group = click.Group("policy", commands={"apply": click.Command("apply", params=[confirmation, flag])})
    name_variables(group, "NIMBLE_HARVESTER_POLICY")
    assert confirmation.envvar is None
    assert flag.envvar == "NIMBLE_HARVESTER_POLICY_APPLY_MAX_OBJECTS"
    assert "--yes" in CONFIRMATIONS
