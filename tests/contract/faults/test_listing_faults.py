"""Listing a bucket under faults, with expired credentials and in another region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed, NoSuchBucket
from harvester.location import parse_location
from harvester.sessions.connections import StoreSettings
from harvester.storage.opening import open_store
from scripts.servers.fault_proxy import Drip, Fault, FaultProxy, HalfBody, Reset, Rule, Stall, Status
from tests.contract.faults.scene import BODY, EXPIRED, QUICK, Scene
from tests.contract.fetching import fetch_all

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_a_page_that_drips_for_ever_ends_the_listing(fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str) -> None:
    retry = QUICK._replace(attempts=1, total_seconds=0.3)
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=retry))
    fault_proxy.add(Rule(Drip(0.02), query="list-type"))

    with pytest.raises(ConnectionFailed):
        list(store.list_pages())


STATED_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>m</Message></Error>'


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
