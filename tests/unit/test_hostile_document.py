"""The table of hostile input in the docs is current, and every case in it has its test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.hostile.answer_cases import ANSWER_SURROUNDINGS, LISTING_SURROUNDINGS, MACHINE_SURROUNDINGS
from tests.hostile.event_cases import EVENT_SURROUNDINGS
from tests.hostile.fault_cases import FAULTS
from tests.hostile.key_cases import all_objects
from tests.hostile.state_cases import STATE_SURROUNDINGS
from tests.hostile.surrounding_cases import SURROUNDINGS, Surrounding
from tests.hostile.write_document import DOCUMENT, render


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render(), "run: python -m tests.hostile.write_document"


EVERY_CASE = (
    *SURROUNDINGS,
    *EVENT_SURROUNDINGS,
    *LISTING_SURROUNDINGS,
    *ANSWER_SURROUNDINGS,
    *MACHINE_SURROUNDINGS,
    *STATE_SURROUNDINGS,
)


@pytest.mark.parametrize("case", EVERY_CASE, ids=lambda case: case.name)
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
