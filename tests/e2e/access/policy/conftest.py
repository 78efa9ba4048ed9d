"""What several tests of ``policy`` start from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.access.policy.policy_command import ASYNC, GUARD, run


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A bucket policy that opens the bucket, and a guardrail of the customer's that shuts it again."""
    path = tmp_path / "policy.json"
    value = json.loads(run("show", *ASYNC).out)
    value["Statement"].insert(0, GUARD)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture
def current(tmp_path: Path) -> Path:
    path = tmp_path / "current.json"
    path.write_text(run("show", *ASYNC).out, encoding="utf-8")
    return path


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where backups go."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"
