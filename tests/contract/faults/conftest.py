"""What the tests of faults start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.location import parse_location
from harvester.sessions.connections import StoreSettings
from harvester.storage.opening import open_store
from scripts.servers.fault_proxy import FaultProxy
from tests.contract.faults.scene import QUICK, Scene

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def scene(fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str, spool_directory: Path) -> Scene:
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=QUICK))
    scene = Scene(store, fault_proxy, s3, s3_bucket, spool_directory)
    scene.put("target")
    for number in range(3):
        scene.put(f"other-{number}")
    return scene
