"""Sources, a destination and servers in memory for the installed command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.servers.memory_s3 import MemoryS3
from scripts.servers.memory_sqs import MemorySqs
from tests.e2e.sources import Directory


@pytest.fixture
def source(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "source")


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "dest"


@pytest.fixture
def store() -> Iterator[MemoryS3]:
    with MemoryS3({}) as server:
        yield server


@pytest.fixture
def queue() -> Iterator[MemorySqs]:
    with MemorySqs() as server:
        yield server
