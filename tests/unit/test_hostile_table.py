"""The table of hostile input in the docs is current, and every case in it has its test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts.hostile_table import DOCUMENT, render
from tests.rigs.hostile_faults import FAULTS
from tests.rigs.hostile_keys import all_objects
from tests.rigs.hostile_surroundings import SURROUNDINGS, Surrounding


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(), "run: python -m scripts.hostile_table"


@pytest.mark.parametrize("case", SURROUNDINGS, ids=lambda case: case.name)
def test_its_test_exists(case: Surrounding) -> None:
    path, _, name = case.test.partition("::")
    module = ast.parse((Path(__file__).parents[2] / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_no_case_stands_for_two() -> None:
    keys = [found.key for found in all_objects()]
    assert len(keys) == len(set(keys))
    paths = [found.path for found in all_objects() if found.path]
    assert len(paths) == len(set(paths))
    assert len({case.key for case in FAULTS}) == len(FAULTS)
