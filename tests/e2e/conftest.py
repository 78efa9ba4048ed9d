"""A source and a destination for the installed command."""

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
