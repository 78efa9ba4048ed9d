"""constraints.txt holds an exact version, within its range, of everything pyproject.toml asks for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [
    each
    for each in [*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)]
    if Requirement(each).name != PROJECT["name"]
]
REASONED = [
    *PROJECT["dependencies"],
    *(each for name in EXTRAS if name not in ("all", "demo", "dev", "release") for each in EXTRAS[name]),
]
LINES = [
    line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
]
PINNED = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in LINES}


def test_every_line_is_one_exact_version() -> None:
    assert all(line.count("==") == 1 and " " not in line and "/" not in line for line in LINES)
    assert len(PINNED) == len(LINES)


@pytest.mark.parametrize("wanted", sorted(set(REQUIREMENTS)))
def test_what_is_asked_for_is_pinned(wanted: str) -> None:
    requirement = Requirement(wanted)
    version = PINNED.get(canonicalize_name(requirement.name))
    assert version is not None, "scripts/update_constraints"
    assert requirement.specifier.contains(version)


@pytest.mark.parametrize("wanted", REASONED)
def test_every_dependency_has_its_reason(wanted: str) -> None:
    reasons = (ROOT / "DESIGN.md").read_text(encoding="utf-8").partition("## Dependencies")[2]
    assert f"{Requirement(wanted).name} " in reasons or f"{Requirement(wanted).name}," in reasons
