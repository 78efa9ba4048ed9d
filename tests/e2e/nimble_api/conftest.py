"""The bucket, mirror and tasks of the tests of reconciliation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.expected_batch import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
