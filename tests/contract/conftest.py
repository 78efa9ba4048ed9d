"""What several contract suites start from."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.location import parse_location
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from harvester.storage.base import Store
from harvester.storage.opening import open_store
from scripts.servers.fake_gcs import FakeGcs
from scripts.servers.fault_proxy import Call, FaultProxy, Rule, Upstream
from scripts.servers.loopback_server import Answer, Request
from scripts.servers.server_process import ServerProcess
from tests.conftest import LIVE_ENVIRONMENT, LIVE_LOCATION, REPLACED_VARIABLES
from tests.contract.places import Place

QUICK = StoreSettings(retry=RetryPolicy(attempts=3, seconds=5, base_delay=0.01, max_delay=0.05, stall_seconds=2))


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


def _directory_holds(name: str) -> bool:
    parts = name.split("/")
    return all(part not in {"", ".", ".."} and len(part.encode()) <= 255 for part in parts) and name != "a"


def _emulator_holds(name: str) -> bool:
    # It keeps objects as files of a file system in memory, and finds them by a pattern that ends at a line's end.
    return _directory_holds(name) and "\n" not in name and "\r" not in name


STORES = ["s3", "gs-fake", "gs-emulator", "file"]
if LIVE_LOCATION:
    STORES.append("live")


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    name = f"b-{uuid.uuid4().hex[:20]}"
    match request.param:
        case "s3":
            proxy: FaultProxy = request.getfixturevalue("fault_proxy")
            bucket = request.getfixturevalue("s3_bucket")
            store = _opened(f"s3://{bucket}/some/prefix/")

            def fill() -> int:
                proxy.add(Rule(Call(_pages_of_twenty), query="max-keys=1000"))
                for number in range(50):
                    store.put(store.location.key(f"{number:05d}.json"), b"x")
                return 50

            yield Place(store, _opened(f"s3://{name}/"), lambda _: True, fill)
        case "gs-fake":
            fake: FakeGcs = request.getfixturevalue("fake_gcs")
            fake.create_bucket(name)

            def fill() -> int:
                for number in range(2_050):
                    fake.put(name, f"some/prefix/{number:05d}.json", b"x")
                return 2_050

            yield Place(_opened(f"gs://{name}/some/prefix/"), _opened("gs://no-such/"), lambda _: True, fill)
        case "gs-emulator":
            emulator: ServerProcess = request.getfixturevalue("gcs_emulator")
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
            _create_emulator_bucket(emulator.url, name)
            store = _opened(f"gs://{name}/some/prefix/")
            yield Place(
                store,
                _opened("gs://no-such/"),
                _emulator_holds,
                None,
                takes_empty_uploads=False,
                states_identity=False,
            )
        case "live":
            yield _live_place(name, monkeypatch)
        case _:
            (tmp_path / "source").mkdir()
            store = _opened(f"file://{tmp_path}/source")

            def fill() -> int:
                for number in range(2_050):
                    Path(store.location.key(f"{number:05d}.json")).write_bytes(b"x")
                return 2_050

            yield Place(store, _opened(f"file://{tmp_path}/none"), _directory_holds, fill)


def _live_place(name: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a new folder in that of scripts/test_live, with the credentials of its caller."""
    for variable, value in LIVE_ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    for variable in REPLACED_VARIABLES:
        if variable not in LIVE_ENVIRONMENT:
            monkeypatch.delenv(variable)
    scheme = LIVE_LOCATION.partition("://")[0]
    return Place(_opened(f"{LIVE_LOCATION}{name}/prefix/"), _opened(f"{scheme}://{name}/"), lambda _: True)


def _pages_of_twenty(request: Request, upstream: Upstream) -> Answer:
    return upstream(replace(request, target=request.target.replace("max-keys=1000", "max-keys=20")))


def _opened(url: str) -> Store:
    return open_store(parse_location(url), QUICK)


def _create_emulator_bucket(url: str, name: str) -> None:
    import json
    import urllib.request

    request = urllib.request.Request(
        f"{url}/storage/v1/b", json.dumps({"name": name}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 200
