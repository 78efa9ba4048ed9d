"""Servers and surroundings every test may use; see scripts/servers and tests/rigs."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import hypothesis
import pytest

from scripts.servers.fake_gcs import FakeGcs
from scripts.servers.fault_proxy import FaultProxy
from scripts.servers.nimble_server import NimbleApi
from scripts.servers.server_process import ServerProcess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# Neither an example nor drawing it has a deadline: a machine with busy cores takes any time over one. A failure prints
# how to repeat it.
hypothesis.settings.register_profile(
    "tests",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=False,
    print_blob=True,
)
hypothesis.settings.load_profile("tests")

# nohup ignores the signal, and what is ignored is inherited by the commands that the tests end with it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ACCESS_KEY, SECRET_KEY = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)  # AWS's documentation's
LIVE_LOCATION = os.environ.get("NIMBLE_HARVESTER_LIVE_LOCATION", "")
"""A folder of a real bucket; only scripts/test_live sets it."""
LIVE_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if LIVE_LOCATION and name.startswith(("AWS_", "GOOGLE_", "CLOUDSDK_", "STORAGE_", "NO_GCE_", "HTTP", "http"))
}
REPLACED_VARIABLES = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "CLOUDSDK_CONFIG",
    "AWS_EC2_METADATA_DISABLED",
    "NO_GCE_CHECK",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
)
"""The variables that clean_environment sets."""
_INHERITED = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "STORAGE_EMULATOR_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "NIMBLE_API_KEY",
    "NIMBLE_BASE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep this machine's clouds, profiles and proxies out of every test; leave test credentials in their place."""
    for name in _INHERITED:
        monkeypatch.delenv(name, raising=False)
    nowhere = tmp_path_factory.getbasetemp() / "no-such-file"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nowhere))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(nowhere))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(scope="session")
def moto() -> Iterator[ServerProcess]:
    """moto's server, one for the session; it keeps objects in memory."""
    with ServerProcess("scripts.servers.moto_process") as server:
        yield server


@pytest.fixture(scope="session")
def s3(moto: ServerProcess) -> S3Client:
    """A boto3 client of moto, to set tests up and look at what came of them."""
    return boto3.client(
        "s3",
        endpoint_url=moto.url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


@pytest.fixture(scope="session")
def sqs(moto: ServerProcess) -> SQSClient:
    """A boto3 client of moto's queues."""
    return boto3.client(
        "sqs",
        endpoint_url=moto.url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


@pytest.fixture
def s3_bucket(s3: S3Client, moto: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket of moto, which AWS_ENDPOINT_URL points to."""
    name = f"b-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    return name


@pytest.fixture
def fault_proxy(moto: ServerProcess, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy before moto, which AWS_ENDPOINT_URL points to."""
    with FaultProxy(moto.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@pytest.fixture
def fake_gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGcs]:
    """A GCS of our own, which STORAGE_EMULATOR_HOST points to."""
    with FakeGcs() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture(scope="session")
def gcs_emulator() -> Iterator[ServerProcess]:
    """gcp-storage-emulator, one for the session."""
    with ServerProcess("scripts.servers.gcs_emulator_process") as server:
        yield server


@pytest.fixture(scope="session")
def nimble_api() -> Iterator[NimbleApi]:
    """Nimble's API, one for the session; each test loads it with what it is to know."""
    with NimbleApi() as api:
        yield api


@pytest.fixture
def spool_directory(tmp_path: Path) -> Path:
    """An empty directory for bodies on their way."""
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory
