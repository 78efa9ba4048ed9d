"""``policy``: help, flags from the environment, and the program that is tested."""

from __future__ import annotations

import shutil

import pytest

from scripts.commands import installed_command
from tests.e2e.access.policy.policy_command import run


@pytest.mark.parametrize("verb", [(), ("show",), ("check",), ("simulate",), ("diff",), ("merge",)])
def test_every_verb_has_help_with_examples(verb: tuple[str, ...]) -> None:
    done = run(*verb, "--help")
    assert done.code == 0
    assert "nimble-harvester policy" in done.out
    assert "Example" in done.out


def test_flags_can_come_from_the_environment() -> None:
    done = run("show", "--mode", "async", NIMBLE_HARVESTER_POLICY_SHOW_BUCKET="from-environment")
    assert "arn:aws:s3:::from-environment" in done.out


def test_the_program_is_the_installed_one() -> None:
    assert shutil.which(installed_command.COMMAND)
