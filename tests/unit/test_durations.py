"""No test has a limit on time that a busy machine breaks."""

from __future__ import annotations

import ast
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parents[1]
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time"}


def measures_time(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Attribute) and part.attr in CLOCKS for part in ast.walk(node))


def sets_a_deadline(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return name == "settings" and any(keyword.arg == "deadline" for keyword in node.keywords)


@pytest.mark.parametrize("module", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.name)
def test_no_test_limits_its_time(module: Path) -> None:
    nodes = list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    assert [node.lineno for node in nodes if isinstance(node, ast.Assert) and measures_time(node.test)] == []
    assert [node for node in nodes if sets_a_deadline(node)] == []


def test_no_example_has_a_deadline() -> None:
    assert hypothesis.settings.default is not None
    assert hypothesis.settings.default.deadline is None
