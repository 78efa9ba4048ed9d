"""What several contract suites start from."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from scripts.servers.fake_gcs import FakeGcs


@pytest.fixture(params=["directory", "s3", "gcs"])
def output_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An output on each kind of store; nothing is there yet."""
    if request.param == "directory":
        return str(tmp_path / "out")
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('s3_bucket')}/tables/out"
    fake: FakeGcs = request.getfixturevalue("fake_gcs")
    name = f"b-{uuid.uuid4().hex}"
    fake.create_bucket(name)
    return f"gs://{name}/tables/out"
