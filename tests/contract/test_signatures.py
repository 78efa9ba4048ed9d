"""What curl puts on the wire is what was signed: a server checks each request with botocore's signer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harvester.errors import AccessDenied
from harvester.location import parse_location
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from harvester.storage.opening import open_store
from scripts.servers.fault_proxy import Call, FaultProxy, HalfBody, Rule
from tests.conftest import ACCESS_KEY, SECRET_KEY
from tests.contract.fetching import fetch_all
from tests.contract.places import HOSTILE
from tests.rigs.signatures import SignatureCheck

QUICK = RetryPolicy(attempts=3, seconds=5, base_delay=0.01, max_delay=0.05, stall_seconds=2)


@pytest.mark.parametrize(
    ("token", "settings"),
    [
        (None, StoreSettings(retry=QUICK)),
        ("session/token+=", StoreSettings(retry=QUICK, request_payer=True, expected_bucket_owner="111122223333")),
    ],
)
def test_every_request_is_signed(
    fault_proxy: FaultProxy,
    s3_bucket: str,
    spool_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    settings: StoreSettings,
) -> None:
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    check = SignatureCheck(ACCESS_KEY, SECRET_KEY, token)
    fault_proxy.add(Rule(HalfBody(), path="/big$", method="GET", times=1))
    fault_proxy.add(Rule(Call(check)))
    store = open_store(parse_location(f"s3://{s3_bucket}/pre fix/"), settings)
    bodies = {store.location.key(name): os.urandom(20) for name in HOSTILE}
    bodies[store.location.key("big")] = os.urandom(100_000)
    for key, body in bodies.items():
        store.put(key, body)

    refs = [ref for page in store.list_pages("pre fix/ ") for ref in page.objects]
    done = fetch_all(store, refs, spool_directory, spool_from=1000)

    assert not check.refused
    got = {key: fetched.body or Path(fetched.spool or "").read_bytes() for key, fetched in done.items()}
    assert got == bodies
    gets = [request for request in fault_proxy.log if request.method == "GET" and "list-type" not in request.target]
    assert {request.headers.get("x-amz-request-payer") for request in gets} == ({"requester"} if token else {None})
    assert {request.headers.get("x-amz-expected-bucket-owner") for request in gets} == (
        {"111122223333"} if token else {None}
    )


def test_the_check_refuses_another_secret(fault_proxy: FaultProxy, s3_bucket: str) -> None:
    fault_proxy.add(Rule(Call(SignatureCheck(ACCESS_KEY, "another secret"))))
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=QUICK))

    with pytest.raises(AccessDenied, match="SignatureDoesNotMatch"):
        list(store.list_pages())
