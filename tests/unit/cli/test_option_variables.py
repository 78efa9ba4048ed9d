"""Misspelt variables of options: which are noticed, and what is named as the nearest."""

from __future__ import annotations

import click
import pytest

from harvester.cli.shared.options.option_variables import name_variables, unknown_variables, upper

VERBS = ("sync", "delivery-params", "policy")


@click.command("sync")
@click.option("--workers")
@click.option("--max-objects", "-m")
@click.option("--yes", is_flag=True)
def sync() -> None:
    """Do nothing."""


@click.group("policy")
def policy() -> None:
    """Do nothing."""


policy.add_command(sync, "show")


@pytest.fixture(autouse=True)
def named() -> None:
    name_variables(sync, "NIMBLE_HARVESTER_SYNC")


def found(monkeypatch: pytest.MonkeyPatch, *names: str, verb: str = "sync") -> list[tuple[str, str]]:
    for name in names:
        monkeypatch.setenv(name, "x")
    return [*unknown_variables(sync, verb, VERBS)]


@pytest.mark.parametrize(
    "name",
    [
        "NIMBLE_HARVESTER_SYNC_WORKERS",
        "NIMBLE_HARVESTER_SYNC_MAX_OBJECTS",
        "NIMBLE_HARVESTER_DEBUG",
        "NIMBLE_HARVESTER_CONFIG",
        "NIMBLE_HARVESTER_POLICY_SHOW_MODE",
        "NIMBLE_HARVESTER_DELIVERY_PARAMS_X",
        "NIMBLE_API_KEY",
        "NIMBLE_HARVESTERS",
    ],
)
def test_known_variables_and_those_of_other_verbs_are_fine(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert found(monkeypatch, name) == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("NIMBLE_HARVESTER_SYNC_WORKER", "NIMBLE_HARVESTER_SYNC_WORKERS"),
        ("NIMBLE_HARVESTER_SYNC_MAXOBJECTS", "NIMBLE_HARVESTER_SYNC_MAX_OBJECTS"),
        ("NIMBLE_HARVESTER_SNYC_WORKERS", "NIMBLE_HARVESTER_SYNC_WORKERS"),
        ("NIMBLE_HARVESTER_DEBUGG", "NIMBLE_HARVESTER_DEBUG"),
        ("NIMBLE_HARVESTER_QZXJV", ""),
    ],
)
def test_a_misspelt_variable_has_its_nearest_name(monkeypatch: pytest.MonkeyPatch, name: str, nearest: str) -> None:
    assert found(monkeypatch, name) == [(name, nearest)]


def test_a_confirmation_has_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for name, _ in found(monkeypatch, "NIMBLE_HARVESTER_SYNC_YES")] == ["NIMBLE_HARVESTER_SYNC_YES"]


def test_names_are_upper_case_with_underscores() -> None:
    assert upper("delivery-params") == "DELIVERY_PARAMS"
