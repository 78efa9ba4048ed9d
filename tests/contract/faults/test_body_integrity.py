"""What the fetcher hands over is the whole object: resumed transfers and checksums."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.causes import Cause
from scripts.servers.fault_proxy import Call, Fault, HalfBody, Headers, Rule, Status, Upstream
from scripts.servers.loopback_server import Answer, Request
from tests.contract.faults.scene import BIG, BODY, Scene, failure_of


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
