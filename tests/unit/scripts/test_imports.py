"""Tests import scripts; scripts never import tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULES = sorted((ROOT / "scripts").rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield every module a file imports, and every dotted name of ``tests`` that a string of it holds."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module)):
                yield module
            case ast.Constant(value=str(text)) if text.startswith("tests."):
                yield text


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_scripts_import_no_tests(module: Path) -> None:
    names = imported(ast.parse(module.read_text(encoding="utf-8")))
    assert [name for name in names if name.split(".")[0] == "tests"] == []


def test_every_import_is_seen() -> None:
    code = "import tests.a\ndef f():\n    from tests import b\n    run('tests.c')\n"
    assert sorted(imported(ast.parse(code))) == ["tests", "tests.a", "tests.c"]
