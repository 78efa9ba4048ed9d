"""DESIGN.md names what exists: modules, packages, the manifest's tables and columns, the messages."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from harvester.destination.manifest.manifest import Manifest
from harvester.transfer.workers import messages

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "DESIGN.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table below its heading."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_tables_and_columns_are_those_of_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sqlite"
    Manifest(path).close()
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        actual = {name: {column[1] for column in database.execute(f"PRAGMA table_info({name})")} for name in tables}

    stated = {name.strip("`"): set(re.findall(r"`([a-z_]+)`", columns)) for name, _, columns in rows("The manifest")}

    assert stated == actual


def test_the_messages_are_those_between_parent_and_worker() -> None:
    stated = {name for names, *_ in rows("Parent and workers") for name in names.split(", ")}
    named = {name for name, value in vars(messages).items() if isinstance(value, type) and issubclass(value, tuple)}

    assert stated == {name for name in named if vars(messages)[name].__module__ == messages.__name__}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"(?<![\w/])[a-z_0-9]+(?:/[a-z_0-9]+)*\.(?:py|json)\b", TEXT))))
def test_a_module_that_is_named_exists(path: str) -> None:
    assert any((ROOT / parent / path).exists() for parent in (".", "harvester", "policies", "policies/contracts"))


def test_every_package_stands_in_the_picture() -> None:
    picture = section("Packages")
    packages = [each.parent.name for root in ("harvester", "policies") for each in (ROOT / root).glob("*/__init__.py")]

    assert [name for name in packages if not re.search(rf"\b{name}\b", picture)] == []
