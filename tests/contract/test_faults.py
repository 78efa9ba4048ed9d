"""The fetcher under faults: a real S3 server behind a proxy that breaks things, one fault to a test."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.causes import Cause
from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed, ExitCode, NoSuchBucket
from harvester.location import parse_location
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from harvester.storage.base import FetchFailure, FetchResult, ObjectRef, Store, StoreConnection
from harvester.storage.opening import open_fetcher, open_store
from scripts.servers.fault_proxy import (
    Call,
    Drip,
    Fault,
    FaultProxy,
    FlippedByte,
    HalfBody,
    Headers,
    OtherBody,
    Reset,
    Rule,
    ShortBody,
    Stall,
    Status,
    Upstream,
)
from scripts.servers.loopback_server import Answer, Request
from tests.contract.fetching import drive, fetch_all

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

QUICK = RetryPolicy(attempts=3, seconds=20, base_delay=0.01, max_delay=0.1, connect_seconds=2, stall_seconds=1)
BODY = b"the body of the object, long enough to be cut in half"
BIG = 300_000
KMS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@dataclass
class Scene:
    """A bucket behind the proxy, with one object that a fault is for and others that must not notice."""

    store: Store
    proxy: FaultProxy
    s3: S3Client
    bucket: str
    spool: Path

    def put(self, key: str, body: bytes = BODY) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def refs(self) -> list[ObjectRef]:
        return [ref for page in self.store.list_pages() for ref in page.objects]

    def fetch(self, fault: Fault, *, times: int | None = None, spool_from: int = 1 << 22) -> FetchResult:
        """Fetch with ``fault`` on the GETs of the key ``target``; checks that all others came through."""
        refs = self.refs()
        self.proxy.add(Rule(fault, path="/target$", method="GET", times=times))
        done = fetch_all(self.store, refs, self.spool, spool_from=spool_from)
        for key, fetched in done.items():
            if key != "target":
                assert fetched.body == BODY
        return done["target"]

    def leftovers(self) -> list[Path]:
        return list(self.spool.iterdir())


@pytest.fixture
def scene(fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str, spool_directory: Path) -> Scene:
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=QUICK))
    scene = Scene(store, fault_proxy, s3, s3_bucket, spool_directory)
    scene.put("target")
    for number in range(3):
        scene.put(f"other-{number}")
    return scene


def failure_of(fetched: FetchResult) -> FetchFailure:
    assert fetched.failure is not None
    assert fetched.body is None
    assert fetched.spool is None
    return fetched.failure


PASSING = [
    pytest.param(Status(503, "SlowDown"), id="slow down"),
    pytest.param(Status(503), id="503 without a document"),
    pytest.param(Status(429), id="429"),
    pytest.param(Status(500, "InternalError"), id="500"),
    pytest.param(Status(502, body=b"<html>bad gateway</html>"), id="502 in HTML"),
    pytest.param(Status(400, "RequestTimeout"), id="400 RequestTimeout"),
    pytest.param(Reset(), id="reset before the answer"),
    pytest.param(Reset(after_bytes=10), id="reset in the body"),
    pytest.param(HalfBody(), id="half a body"),
    pytest.param(ShortBody(), id="short body, consistent length"),
    pytest.param(FlippedByte(7), id="flipped byte"),
    pytest.param(Stall(), id="stall before the answer"),
    pytest.param(Stall(after_bytes=10), id="stall in the body"),
]
LASTING = {
    "slow down": Cause.THROTTLED,
    "503 without a document": Cause.THROTTLED,
    "429": Cause.THROTTLED,
    "500": Cause.SERVER_ERROR,
    "502 in HTML": Cause.SERVER_ERROR,
    "400 RequestTimeout": Cause.TIMEOUT,
    "reset before the answer": Cause.NETWORK,
    "reset in the body": Cause.NETWORK,
    "half a body": Cause.NETWORK,
    "short body, consistent length": Cause.INTEGRITY,
    "flipped byte": Cause.INTEGRITY,
    "stall before the answer": Cause.TIMEOUT,
    "stall in the body": Cause.TIMEOUT,
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_an_attempt(scene: Scene, fault: Fault) -> None:
    fetched = scene.fetch(fault, times=1)

    assert fetched.failure is None
    assert fetched.body == BODY
    assert fetched.attempts == 2


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_a_spooled_body_nothing(scene: Scene, fault: Fault) -> None:
    body = os.urandom(BIG)
    scene.put("target", body)

    fetched = scene.fetch(fault, times=1, spool_from=1000)

    assert fetched.failure is None
    assert fetched.spool is not None
    assert Path(fetched.spool).read_bytes() == body
    assert fetched.attempts == 2
    assert scene.leftovers() == [Path(fetched.spool)]


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_lasts_costs_its_own_object(scene: Scene, fault: Fault, request: pytest.FixtureRequest) -> None:
    fetched = scene.fetch(fault)

    failure = failure_of(fetched)
    name = request.node.callspec.id
    assert failure.cause is LASTING[name]
    assert failure.cause.retryable
    assert not failure.cause.fatal
    assert fetched.attempts == QUICK.attempts
    assert scene.leftovers() == []


@pytest.mark.parametrize("spool_from", [1 << 22, 10], ids=["in memory", "spooled"])
def test_a_body_that_drips_for_ever_costs_a_bounded_time(
    fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str, spool_directory: Path, spool_from: int
) -> None:
    # 50 bytes a second: curl never sees it stand still, and it is far from its end when the time is up.
    retry = QUICK._replace(total_seconds=0.2, min_bytes_per_second=10_000, stall_seconds=10)
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=retry))
    scene = Scene(store, fault_proxy, s3, s3_bucket, spool_directory)
    scene.put("target")

    fetched = scene.fetch(Drip(0.02), spool_from=spool_from)

    assert failure_of(fetched).cause is Cause.TIMEOUT
    assert scene.leftovers() == []


def test_a_slow_body_that_is_fast_enough_for_its_size_arrives(
    fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str, spool_directory: Path
) -> None:
    retry = QUICK._replace(total_seconds=2, min_bytes_per_second=5, stall_seconds=10)
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=retry))
    scene = Scene(store, fault_proxy, s3, s3_bucket, spool_directory)
    scene.put("target")

    fetched = scene.fetch(Drip(0.05))

    assert (fetched.body, fetched.attempts) == (BODY, 1)


@pytest.mark.parametrize("broken", [Drip(0.002), FlippedByte(7)], ids=["cut off in the middle", "a byte wrong"])
def test_a_big_body_is_tried_again_however_long_it_was_on_its_way(
    fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str, spool_directory: Path, broken: Fault
) -> None:
    retry = QUICK._replace(seconds=0.3, stall_seconds=10)
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=retry))
    scene = Scene(store, fault_proxy, s3, s3_bucket, spool_directory)
    body = os.urandom(400)
    scene.put("target", body)

    def slowly(request: Request, upstream: Upstream) -> Answer:
        answer = broken.apply(request, upstream)
        if isinstance(broken, Drip):
            answer = replace(answer, send_bytes=300, ending="reset")
        return replace(answer, drip=0.002)

    fetched = scene.fetch(Call(slowly), times=1, spool_from=100)

    assert fetched.failure is None
    assert fetched.attempts == 2
    assert fetched.spool is not None
    assert Path(fetched.spool).read_bytes() == body


def test_a_page_that_drips_for_ever_ends_the_listing(fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str) -> None:
    retry = QUICK._replace(attempts=1, total_seconds=0.3)
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=retry))
    fault_proxy.add(Rule(Drip(0.02), query="list-type"))

    with pytest.raises(ConnectionFailed):
        list(store.list_pages())


def test_nothing_half_done_is_left_when_a_spooled_body_fails(scene: Scene) -> None:
    scene.put("target", os.urandom(BIG))

    fetched = scene.fetch(HalfBody(0.1), spool_from=1000)

    # Each attempt goes on where the last one broke off, so halving the rest never ends.
    assert failure_of(fetched).cause is Cause.NETWORK
    assert scene.leftovers() == []


def test_a_broken_transfer_goes_on_where_it_broke(scene: Scene) -> None:
    body = os.urandom(BIG)
    scene.put("target", body)

    fetched = scene.fetch(HalfBody(), times=2, spool_from=1000)

    assert fetched.spool is not None
    assert Path(fetched.spool).read_bytes() == body
    ranges = [request.headers.get("range") for request in scene.proxy.log if request.path.endswith("/target")]
    assert ranges == [None, f"bytes={BIG // 2}-", f"bytes={BIG // 2 + BIG // 4}-"]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(Headers({"content-range": f"bytes 0-9/{BIG}"}), id="another range"),
        pytest.param(Status(416, "InvalidRange"), id="no such range"),
        pytest.param(Status(412, "PreconditionFailed"), id="another version"),
    ],
)
def test_a_rest_that_does_not_fit_is_not_glued_on(scene: Scene, broken: Fault) -> None:
    body = os.urandom(BIG)
    scene.put("target", body)
    scene.proxy.add(Rule(broken, path="/target$", method="GET", header="range: ", times=1))

    fetched = scene.fetch(HalfBody(), times=1, spool_from=1000)

    assert fetched.failure is None
    assert fetched.spool is not None
    assert Path(fetched.spool).read_bytes() == body
    assert fetched.attempts == 3


def test_a_store_that_knows_no_ranges_sends_it_again(scene: Scene) -> None:
    body = os.urandom(BIG)
    scene.put("target", body)

    def whole(request: Request, upstream: Upstream) -> Answer:
        headers = {name: value for name, value in request.headers.items() if name not in {"range", "if-match"}}
        return upstream(Request(request.method, request.target, headers, request.body))

    scene.proxy.add(Rule(Call(whole), path="/target$", method="GET", header="range: "))

    fetched = scene.fetch(HalfBody(), times=1, spool_from=1000)

    assert fetched.spool is not None
    assert Path(fetched.spool).read_bytes() == body


def test_an_object_replaced_in_the_middle_comes_whole_and_new(scene: Scene) -> None:
    scene.put("target", os.urandom(BIG))
    replacement = os.urandom(BIG + 5)

    def half_then_replace(request: Request, upstream: Upstream) -> Answer:
        answer = HalfBody().apply(request, upstream)
        scene.put("target", replacement)
        return answer

    fetched = scene.fetch(Call(half_then_replace), times=1, spool_from=1000)

    assert fetched.spool is not None
    assert Path(fetched.spool).read_bytes() == replacement
    assert fetched.etag == hashlib.md5(replacement).hexdigest()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crc32", zlib.crc32(BODY).to_bytes(4, "big")),
        ("sha1", hashlib.sha1(BODY).digest()),
        ("sha256", hashlib.sha256(BODY).digest()),
        ("crc32c", None),
        ("crc64nvme", None),
    ],
    ids=["crc32", "sha1", "sha256", "crc32c", "crc64nvme"],
)
def test_a_stated_checksum_is_verified(scene: Scene, name: str, value: bytes | None) -> None:
    if value is None:
        from awscrt import checksums

        value = getattr(checksums, name)(BODY).to_bytes(4 if name == "crc32c" else 8, "big")
    wrong = bytes([value[0] ^ 1]) + value[1:]

    def stating(checksum: bytes) -> Headers:
        other = {"etag": '"opaque"', "x-amz-checksum-crc32": ""}  # which would notice too
        return Headers({**other, f"x-amz-checksum-{name}": base64.b64encode(checksum).decode()})

    scene.proxy.add(Rule(stating(value), path="other", method="GET"))

    fetched = scene.fetch(stating(wrong))

    failure = failure_of(fetched)
    assert failure.cause is Cause.INTEGRITY
    assert name in failure.detail
    asked = next(request for request in scene.proxy.log if request.path.endswith("/target"))
    assert asked.headers["x-amz-checksum-mode"] == "ENABLED"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "COMPOSITE"}, id="composite type"),
        pytest.param({"x-amz-checksum-crc32": "AAAAAA==-2"}, id="composite value"),
        pytest.param({"etag": '"0123456789abcdef0123456789abcdef-2"'}, id="multipart ETag"),
        pytest.param(
            {"etag": '"0123456789abcdef0123456789abcdef"', "x-amz-server-side-encryption": "aws:kms"}, id="KMS"
        ),
        pytest.param(
            {"etag": '"0123456789abcdef0123456789abcdef"', "x-amz-server-side-encryption": "aws:kms:dsse"}, id="DSSE"
        ),
        pytest.param(
            {
                "etag": '"0123456789abcdef0123456789abcdef"',
                "x-amz-server-side-encryption-customer-algorithm": "AES256",
            },
            id="customer key",
        ),
    ],
)
def test_what_covers_no_bytes_is_no_checksum(scene: Scene, headers: dict[str, str]) -> None:
    fetched = scene.fetch(Headers({"x-amz-checksum-crc32": "", **headers}))

    assert fetched.failure is None
    assert fetched.body == BODY
    assert fetched.attempts == 1


def test_an_etag_is_an_md5_where_it_is_one(scene: Scene) -> None:
    def other_body(request: Request, upstream: Upstream) -> Answer:
        answer = Headers(remove=["x-amz-checksum-crc32"]).apply(request, upstream)
        return replace(answer, body=BODY.upper())

    fetched = scene.fetch(Call(other_body))

    assert failure_of(fetched).cause is Cause.INTEGRITY
    assert "md5" in failure_of(fetched).detail


def test_a_page_of_a_proxy_in_between_is_not_the_object(scene: Scene) -> None:
    fetched = scene.fetch(Status(200, body=b"<html>please log in</html>"))

    assert failure_of(fetched).cause is Cause.INTEGRITY


def test_a_cut_off_body_without_a_length_is_noticed(scene: Scene) -> None:
    def cut(request: Request, upstream: Upstream) -> Answer:
        return replace(upstream(request), chunked=True, send_bytes=10, ending="close")

    fetched = scene.fetch(Call(cut))

    assert failure_of(fetched).cause is Cause.NETWORK


# -- refusals ----------------------------------------------------------------------------------------------------------

DENIED = Status(403, "AccessDenied", "Access Denied")


def test_an_object_that_is_denied_fails_at_once(scene: Scene) -> None:
    scene.proxy.add(Rule(Status(403), path="/target$", method="HEAD"))

    fetched = scene.fetch(DENIED)

    failure = failure_of(fetched)
    assert failure.cause is Cause.OBJECT_DENIED
    assert failure.code == "AccessDenied"
    assert failure.request_id == "FAULT"
    assert failure.cause.exit_code is ExitCode.ACCESS_DENIED
    assert fetched.attempts == 1


def test_a_kms_key_that_is_denied_is_named(scene: Scene) -> None:
    encrypted = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": KMS_KEY,
    }
    scene.proxy.add(Rule(Headers(encrypted), path="/target$", method="HEAD"))

    failure = failure_of(scene.fetch(DENIED))

    assert failure.cause is Cause.KMS_DENIED
    assert KMS_KEY in failure.detail


def test_a_kms_key_of_a_big_object_is_named(scene: Scene) -> None:
    scene.put("target", os.urandom(3_000_000))
    encrypted = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": KMS_KEY}
    scene.proxy.add(Rule(Headers(encrypted), path="/target$", method="HEAD"))

    failure = failure_of(scene.fetch(DENIED, spool_from=1000))

    assert failure.cause is Cause.KMS_DENIED
    assert KMS_KEY in failure.detail


def test_a_kms_denial_is_recognised_by_its_grammar_where_nothing_else_shows_it(scene: Scene) -> None:
    message = (
        "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: kms:Decrypt on resource: "
        f"{KMS_KEY} because no identity-based policy allows the kms:Decrypt action"
    )
    scene.proxy.add(Rule(Status(403), path="/target$", method="HEAD"))

    failure = failure_of(scene.fetch(Status(403, "AccessDenied", message)))

    assert failure.cause is Cause.KMS_DENIED
    assert failure.detail == f"kms:Decrypt denied on key {KMS_KEY}"


def test_a_denied_action_is_named(scene: Scene) -> None:
    message = (
        "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::bucket/target" because no identity-based policy allows the s3:GetObject action'
    )
    scene.proxy.add(Rule(Status(403), path="/target$", method="HEAD"))

    failure = failure_of(scene.fetch(Status(403, "AccessDenied", message)))

    assert failure.cause is Cause.OBJECT_DENIED
    assert failure.detail == "s3:GetObject denied on arn:aws:s3:::bucket/target"


def test_an_explicit_deny_is_no_missing_grant(scene: Scene) -> None:
    message = (
        "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::bucket/target" with an explicit deny in a resource-based policy'
    )

    failure = failure_of(scene.fetch(Status(403, "AccessDenied", message)))

    assert failure.cause is Cause.POLICY_LIMIT
    assert failure.detail == message


def _owned_by(owner: str) -> OtherBody:
    return OtherBody(
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
        b"<IsTruncated>false</IsTruncated><Contents><Key>target</Key><Size>1</Size><Owner><ID>"
        + owner.encode()
        + b"</ID></Owner></Contents></ListBucketResult>"
    )


@pytest.mark.parametrize("acl", [True, False], ids=["by the bucket's ACL", "by a readable object"])
def test_an_object_of_another_account_is_named(scene: Scene, acl: bool) -> None:
    scene.proxy.add(Rule(Status(403), path="/target$", method="HEAD"))
    scene.proxy.add(Rule(_owned_by("f" * 64), query="fetch-owner=true.*prefix=target"))
    if not acl:
        scene.proxy.add(Rule(Status(403, "AccessDenied"), query="acl="))
        # FetchResult alone at first, so that there is something readable to compare with.
        fetcher = open_fetcher(scene.store.connection(), str(scene.spool))
        refs = {ref.key: ref for ref in scene.refs()}
        scene.proxy.add(Rule(DENIED, path="/target$", method="GET"))
        drive(fetcher, [refs["other-0"]])
        fetched = drive(fetcher, [refs["target"]])["target"]
        fetcher.close()
    else:
        fetched = scene.fetch(DENIED)

    failure = failure_of(fetched)
    assert failure.cause is Cause.OTHER_OWNER
    assert "f" * 64 in failure.detail


def test_an_archived_object_is_reported(scene: Scene) -> None:
    fetched = scene.fetch(Status(403, "InvalidObjectState", "The operation is not valid for the storage class"))

    assert failure_of(fetched).cause is Cause.ARCHIVED
    assert fetched.attempts == 1


def test_an_object_deleted_since_the_listing_is_gone(scene: Scene) -> None:
    refs = scene.refs()
    scene.s3.delete_object(Bucket=scene.bucket, Key="target")

    fetched = fetch_all(scene.store, refs, scene.spool)["target"]

    assert failure_of(fetched).cause is Cause.GONE
    assert fetched.attempts == 1


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Status(403, "InvalidAccessKeyId"), Cause.CREDENTIALS),
        (Status(403, "SignatureDoesNotMatch"), Cause.CREDENTIALS),
        (Status(403, "RequestTimeTooSkewed"), Cause.CLOCK_SKEW),
        (Status(404, "NoSuchBucket"), Cause.NO_BUCKET),
    ],
)
def test_what_every_object_must_meet_is_fatal(scene: Scene, fault: Status, cause: Cause) -> None:
    failure = failure_of(scene.fetch(fault))

    assert failure.cause is cause
    assert failure.cause.fatal


def test_a_larger_object_than_allowed_is_refused(scene: Scene) -> None:
    refs = scene.refs()
    scene.put("target", b"x" * 2000)
    store = open_store(scene.store.location, StoreSettings(retry=QUICK, max_object_bytes=1000))

    for spool_from in (100, 1 << 22):
        done = fetch_all(store, refs, scene.spool, spool_from=spool_from)
        assert failure_of(done["target"]).cause is Cause.TOO_LARGE
        assert done["other-0"].failure is None


def test_a_spool_that_takes_nothing_is_reported(scene: Scene) -> None:
    (done, *_) = fetch_all(scene.store, scene.refs(), scene.spool / "missing", spool_from=1).values()

    failure = failure_of(done)
    assert failure.cause is Cause.SPOOL
    assert failure.code == "ENOENT"
    assert failure.cause.exit_code is ExitCode.DESTINATION


# -- credentials -------------------------------------------------------------------------------------------------------

EXPIRED = Status(400, "ExpiredToken", "The provided token has expired.")


def test_expired_credentials_are_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    refs = scene.refs()
    scene.proxy.add(Rule(EXPIRED, method="GET", header="authorization: .*Credential=AKIAIOSFODNN7EXAMPLE/", path="."))
    old = scene.store.connection()
    renewals: list[None] = []

    def renew() -> StoreConnection:
        renewals.append(None)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIARENEWED")
        return scene.store.connection(renew=True)

    done = fetch_all(scene.store, refs, scene.spool, renew=renew, connection=old)

    assert all(fetched.body == BODY for fetched in done.values())
    assert len(renewals) == 1


def test_credentials_that_stay_expired_end_it(scene: Scene) -> None:
    refs = scene.refs()
    scene.proxy.add(Rule(EXPIRED, method="GET", path="/(target|other)"))

    done = fetch_all(scene.store, refs, scene.spool, renew=lambda: scene.store.connection(renew=True))

    assert {failure_of(fetched).cause for fetched in done.values()} == {Cause.EXPIRED}


# -- the whole endpoint ------------------------------------------------------------------------------------------------


def test_an_endpoint_that_dies_and_comes_back(scene: Scene) -> None:
    for number in range(40):
        scene.put(f"more-{number}")
    refs = scene.refs()
    settings = StoreSettings(retry=QUICK._replace(attempts=12, max_delay=0.5))
    store = open_store(scene.store.location, settings)
    connection = store.connection()
    seen, dead = threading.Event(), threading.Event()

    def pass_on(request: Request, upstream: Upstream) -> Answer:
        if seen.is_set() and not dead.is_set():
            dead.wait(1)  # so that transfers are under way when it dies
        answer = upstream(request)
        seen.set()
        return answer

    scene.proxy.add(Rule(Call(pass_on)))

    def die() -> None:
        seen.wait()
        scene.proxy.kill()
        dead.set()
        time.sleep(0.5)
        scene.proxy.revive()

    thread = threading.Thread(target=die)
    thread.start()
    done = fetch_all(store, refs, scene.spool, connection=connection)
    thread.join()

    assert all(fetched.body == BODY for fetched in done.values())
    assert max(fetched.attempts for fetched in done.values()) > 1


def test_a_dead_endpoint_fails_everything_in_time(scene: Scene) -> None:
    refs = scene.refs()
    connection = scene.store.connection()
    scene.proxy.kill()

    done = fetch_all(scene.store, refs, scene.spool, connection=connection)

    assert {failure_of(fetched).cause for fetched in done.values()} == {Cause.NETWORK}


def test_throttling_makes_the_window_smaller_and_loses_nothing(scene: Scene) -> None:
    for number in range(60):
        scene.put(f"more-{number}")
    refs = scene.refs()
    scene.proxy.add(Rule(Status(503, "SlowDown"), path="/more", method="GET", times=30))
    fetcher = open_fetcher(scene.store.connection(), str(scene.spool))
    before = fetcher.capacity()

    drive(fetcher, refs)

    assert fetcher.capacity() < before
    fetcher.close()


STATED_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>m</Message></Error>'


# -- listing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Status(403, "AccessDenied"), AccessDenied, "access denied"),
        (Status(403, "InvalidAccessKeyId"), AccessDenied, "rejects the credentials"),
        (Status(403, "SignatureDoesNotMatch"), AccessDenied, "rejects the credentials"),
        (Status(403, "RequestTimeTooSkewed"), ConfigurationError, "clock"),
        (Status(400, "ExpiredToken"), ConfigurationError, "expired"),
        (Status(404, "NoSuchBucket"), NoSuchBucket, "does not exist"),
        (Status(503, "SlowDown"), ConnectionFailed, "SlowDown"),
        (Status(200, body=STATED_ERROR % b"SlowDown"), ConnectionFailed, "SlowDown"),
        (Status(200, body=STATED_ERROR % b"AccessDenied"), AccessDenied, "access denied"),
        (Status(200, body=b"<html>captive portal</html>"), ConnectionFailed, "no list page"),
        (Status(200, body=b"{}"), ConnectionFailed, "no list page"),
        (Status(200, body=b"<ListBucketResult/>"), ConnectionFailed, "no list page"),
        (Reset(), ConnectionFailed, "cannot reach"),
        (HalfBody(), ConnectionFailed, "cannot reach"),
        (Stall(), ConnectionFailed, "cannot reach"),
    ],
)
def test_a_listing_that_fails_names_the_cause(scene: Scene, fault: Fault, error: type[Exception], words: str) -> None:
    scene.proxy.add(Rule(fault, query="list-type=2"))

    with pytest.raises(error, match=words):
        scene.refs()


@pytest.mark.parametrize(
    "fault",
    [Status(503, "SlowDown"), Reset(), HalfBody(), Status(500), Status(200, body=STATED_ERROR % b"InternalError")],
)
def test_a_listing_gets_over_a_passing_fault(scene: Scene, fault: Fault) -> None:
    scene.proxy.add(Rule(fault, query="list-type=2", times=2))

    assert len(scene.refs()) == 4


def test_an_expired_login_names_the_command(scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = us-east-1\naws_access_key_id = AKIA\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    scene.proxy.add(Rule(EXPIRED, query="list-type=2"))
    store = open_store(scene.store.location, StoreSettings(profile="work", retry=QUICK))

    with pytest.raises(ConfigurationError) as caught:
        list(store.list_pages())

    assert caught.value.parameters == {"login": "config-file", "profile": "work"}


@pytest.mark.parametrize("status", [301, 400])
def test_a_wrong_region_is_followed(scene: Scene, status: int) -> None:
    elsewhere = Status(
        status,
        body=b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>",
        headers={"x-amz-bucket-region": "eu-central-1"} if status == 301 else {},
    )
    scene.proxy.add(Rule(elsewhere, header="authorization: .*/us-east-1/s3/"))

    refs = scene.refs()
    done = fetch_all(scene.store, refs, scene.spool)

    assert len(refs) == 4
    assert all(fetched.body == BODY for fetched in done.values())


def test_a_transport_knows_the_region_before_anything_was_listed(scene: Scene) -> None:
    refs = scene.refs()
    elsewhere = Status(301, headers={"x-amz-bucket-region": "eu-central-1"})
    scene.proxy.add(Rule(elsewhere, header="authorization: .*/us-east-1/s3/"))
    fresh = open_store(scene.store.location, StoreSettings(retry=QUICK))

    done = fetch_all(fresh, refs, scene.spool)

    assert all(fetched.body == BODY for fetched in done.values())
