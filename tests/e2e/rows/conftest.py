"""The source and the destination of a sync whose rows are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.sources import Directory


@pytest.fixture
def source(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "source")


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "dest"
