"""The extras of pyproject.toml, and the error when one is missing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harvester.cli.shared.next_steps.error_steps import next_step
from harvester.errors import ConfigurationError
from harvester.extras import EXTRAS, PARQUET, Extra, is_installed, require_extra

DECLARED = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


def test_every_extra_is_declared_and_part_of_all() -> None:
    (everything,) = DECLARED["all"]
    names = everything.partition("[")[2].rstrip("]").split(",")
    assert {extra.name for extra in EXTRAS} <= set(names)
    assert set(names) == set(DECLARED) - {"all", "demo", "dev", "release"}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_installed_extra_is_found(extra: Extra) -> None:
    assert is_installed(extra)
    require_extra(extra)


@pytest.mark.parametrize("module", ["no_such_module", "no_such_package.module"])
def test_a_missing_extra_is_one_error_that_names_the_install_command(module: str) -> None:
    extra = Extra("colours", module, "drawing")
    assert not is_installed(extra)
    with pytest.raises(ConfigurationError) as caught:
        require_extra(extra)
    assert caught.value.exit_code == 8
    assert caught.value.what == "drawing needs the extra [colours], which is not installed"
    assert next_step(caught.value) == "pip install 'nimble-harvester[colours]'"


def test_several_missing_extras_are_one_error_with_one_command() -> None:
    absent = [Extra("colours", "no_colours", "drawing"), Extra("paper", "no_paper", "printing")]
    with pytest.raises(ConfigurationError) as caught:
        require_extra(*absent, PARQUET, feature="a poster")
    assert caught.value.what == "a poster needs the extras [colours,paper], which are not installed"
    assert caught.value.cause == "there is no module no_colours or no_paper"
    assert next_step(caught.value) == "pip install 'nimble-harvester[colours,paper]'"
