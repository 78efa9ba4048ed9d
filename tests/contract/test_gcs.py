"""What only Google Cloud Storage does: transcoding, generations, tokens, its own hashes and refusals."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed
from harvester.location import parse_location
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from harvester.storage.base import FetchFailure, ObjectRef, Store
from harvester.storage.opening import open_store
from scripts.servers.fake_gcs import FakeGcs
from scripts.servers.fault_proxy import Call, Fault, FaultProxy, FlippedByte, HalfBody, Reset, Rule, Status, Upstream
from scripts.servers.loopback_server import Answer, LoopbackServer, Request
from tests.contract.fetching import fetch_all

QUICK = RetryPolicy(attempts=3, seconds=20, base_delay=0.01, max_delay=0.1, connect_seconds=2, stall_seconds=1)
BODY = b"the body of the object, long enough to be cut in half"


@dataclass
class Scene:
    store: Store
    fake: FakeGcs
    proxy: FaultProxy
    spool: Path

    def put(self, name: str, body: bytes, **more: str) -> None:
        self.fake.put("bucket", name, body, **more)

    def refs(self) -> list[ObjectRef]:
        return [ref for page in self.store.list_pages() for ref in page.objects]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, spool_directory: Path) -> Iterator[Scene]:
    fake = FakeGcs()
    fake.create_bucket("bucket")
    with FaultProxy(fake.respond) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        store = open_store(parse_location("gs://bucket/"), StoreSettings(retry=QUICK))
        yield Scene(store, fake, proxy, spool_directory)


def error(status: int, reason: str) -> Status:
    document = {"error": {"code": status, "message": "m", "errors": [{"reason": reason}]}}
    return Status(status, body=json.dumps(document).encode())


def test_what_is_stored_compressed_comes_as_it_is_stored(scene: Scene) -> None:
    stored = gzip.compress(os.urandom(5000))
    scene.put("a.json", stored, content_encoding="gzip")

    for spool_from in (1000, 1 << 22):
        (done,) = fetch_all(scene.store, scene.refs(), scene.spool, spool_from=spool_from).values()
        assert done.failure is None
        assert (done.body or Path(done.spool or "").read_bytes()) == stored
        assert done.attempts == 1


def test_a_transcoded_answer_is_not_taken_for_the_object(scene: Scene) -> None:
    scene.put("a.json", gzip.compress(BODY), content_encoding="gzip")

    def decompress(request: Request, upstream: Upstream) -> Answer:
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        return upstream(Request(request.method, request.target, headers, request.body))

    refs = scene.refs()
    scene.proxy.add(Rule(Call(decompress), query="alt=media"))

    (done,) = fetch_all(scene.store, refs, scene.spool).values()

    assert done.failure is not None
    assert done.failure.cause is Cause.INTEGRITY


@pytest.mark.parametrize("fault", [FlippedByte(3), HalfBody(), Reset(10), Status(503), error(403, "rateLimitExceeded")])
@pytest.mark.parametrize("spool_from", [10, 1 << 22])
def test_a_fault_that_passes_costs_an_attempt(scene: Scene, fault: Fault, spool_from: int) -> None:
    scene.put("a", BODY)
    refs = scene.refs()
    scene.proxy.add(Rule(fault, query="alt=media", times=1))

    (done,) = fetch_all(scene.store, refs, scene.spool, spool_from=spool_from).values()

    assert done.failure is None
    assert (done.body or Path(done.spool or "").read_bytes()) == BODY
    assert done.attempts == 2
    assert done.etag == refs[0].etag


def test_an_object_replaced_in_the_middle_comes_whole_and_new(scene: Scene) -> None:
    scene.put("a", os.urandom(100_000))
    refs = scene.refs()
    replacement = os.urandom(100_001)

    def half_then_replace(request: Request, upstream: Upstream) -> Answer:
        answer = HalfBody().apply(request, upstream)
        scene.put("a", replacement)
        return answer

    scene.proxy.add(Rule(Call(half_then_replace), query="alt=media", times=1))

    (done,) = fetch_all(scene.store, refs, scene.spool, spool_from=1000).values()

    assert done.failure is None
    assert Path(done.spool or "").read_bytes() == replacement
    assert done.etag == scene.refs()[0].etag != refs[0].etag


def failure_under(scene: Scene, fault: Fault) -> FetchFailure:
    scene.put("a", BODY)
    refs = scene.refs()
    scene.proxy.add(Rule(fault, query="alt=media"))
    (done,) = fetch_all(scene.store, refs, scene.spool).values()
    assert done.failure is not None
    assert done.attempts == 1
    return done.failure


def test_a_denied_object_is_reported(scene: Scene) -> None:
    scene.proxy.add(Rule(error(403, "forbidden"), path="/o/a$", query="^fields"))

    assert failure_under(scene, error(403, "forbidden")).cause is Cause.OBJECT_DENIED


def test_a_denied_key_is_named(scene: Scene) -> None:
    def with_key(request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        return Answer(200, json.dumps({**json.loads(answer.body), "kmsKeyName": "projects/p/keys/k"}).encode())

    scene.proxy.add(Rule(Call(with_key), path="/o/a$", query="^fields"))

    failure = failure_under(scene, error(403, "forbidden"))

    assert failure.cause is Cause.KMS_DENIED
    assert "projects/p/keys/k" in failure.detail


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error(403, "forbidden"), AccessDenied),
        (error(401, "required"), AccessDenied),
        (error(429, "rateLimitExceeded"), ConnectionFailed),
        (Status(200, body=b"<html>"), ConnectionFailed),
        (Reset(), ConnectionFailed),
    ],
)
def test_a_listing_that_fails_names_the_cause(scene: Scene, fault: Fault, kind: type[Exception]) -> None:
    scene.proxy.add(Rule(fault))

    with pytest.raises(kind):
        scene.refs()


# -- credentials -------------------------------------------------------------------------------------------------------


@pytest.fixture
def token_server() -> Iterator[LoopbackServer]:
    """Google's token endpoint, as far as a service account needs it: each token is good for an hour."""
    issued: list[str] = []

    def issue(request: Request) -> Answer:
        if request.target == "/revoked":
            return Answer(400, b'{"error": "invalid_grant", "error_description": "Account has been deleted."}')
        issued.append(f"token-{len(issued) + 1}")
        document = {"access_token": issued[-1], "expires_in": 3600, "token_type": "Bearer"}
        return Answer(200, json.dumps(document).encode(), {"content-type": "application/json"})

    with LoopbackServer(issue) as server:
        yield server


def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token_url: str) -> None:
    """Leave a service account's key where GOOGLE_APPLICATION_CREDENTIALS points to."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    document = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": private.decode(),
        "client_email": "reader@p.iam.gserviceaccount.com",
        "token_uri": token_url,
    }
    path = tmp_path / "key.json"
    path.write_text(json.dumps(document))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")


def authorized(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    return open_store(parse_location("gs://bucket/"), StoreSettings(endpoint_url=scene.proxy.url, retry=QUICK))


def test_an_expired_token_is_renewed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token_server: LoopbackServer
) -> None:
    login(tmp_path, monkeypatch, token_server.url)
    scene.put("a", BODY)
    store = authorized(scene, monkeypatch)
    scene.fake.tokens = {"token-1"}
    refs = [ref for page in store.list_pages() for ref in page.objects]
    connection = store.connection()

    scene.fake.tokens = {"token-2"}
    done = fetch_all(store, refs, scene.spool, connection=connection, renew=lambda: store.connection(renew=True))
    assert done["a"].body == BODY

    scene.fake.tokens = {"token-3"}
    assert len(list(store.list_pages())) == 1
    assert "token-" not in repr(store.connection())
    assert {request.headers.get("x-goog-user-project") for request in scene.proxy.log} == {"payer"}


def test_a_revoked_login_names_the_command(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token_server: LoopbackServer
) -> None:
    login(tmp_path, monkeypatch, f"{token_server.url}/revoked")

    with pytest.raises(ConfigurationError) as caught:
        list(authorized(scene, monkeypatch).list_pages())

    assert caught.value.code is ErrorCode.LOGIN_EXPIRED


def test_no_credentials_is_reported(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no Google credentials"):
        list(authorized(scene, monkeypatch).list_pages())
