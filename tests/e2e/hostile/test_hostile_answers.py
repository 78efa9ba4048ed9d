"""The installed command against hostile answers with objects: what one of them does ends no other."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.commands.installed_command import COMMAND, Ended, environment, run
from scripts.servers.hostile_s3 import HostileS3, error_document, is_listing, key_of, results
from scripts.servers.loopback_server import Answer, Request

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


def sync(store: HostileS3, dest: Path, *options: str) -> Ended:
    return run(
        "sync", "s3://bkt/r/", dest, "--endpoint-url", store.url, "--retries", "1", "--format", "json", *options, **KEYS
    )


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda: Answer(503, b"", {"retry-after": "²"}), id="Retry-After of no number"),
        pytest.param(lambda: Answer(500, b'<?xml version="1.0" encoding="GBK"?><Error/>'), id="an error in GBK"),
        pytest.param(lambda: Answer(403, b"<!DOCTYPE x [<!ENTITY a 'b'>]><Error/>"), id="a document type"),
        pytest.param(lambda: Answer(400, error_document("InvalidRequest", "\x1b[2J")), id="control characters"),
    ],
)
def test_one_answer_fails_one_object(dest: Path, bad: Callable[[], Answer]) -> None:
    objects = results(3)
    first = sorted(objects)[0]
    with HostileS3(objects, lambda request: bad() if key_of(request) == first else None) as store:
        ended = sync(store, dest)
    assert ended.code == 3
    assert (ended.document["counts"]["failed"], ended.document["counts"]["landed"]) == (1, 2)
    assert [problem["key"] for problem in ended.document["problems"]] == [first]


def test_a_store_of_other_etags_is_diagnosed_and_the_option_lands_everything(dest: Path) -> None:
    objects = results(12)

    def other_digests(request: Request) -> Answer | None:
        if is_listing(request):
            return None
        return Answer(200, objects[key_of(request)], {"etag": f'"{"0" * 32}"'})

    with HostileS3(objects, other_digests) as store:
        refused = sync(store, dest)
        assert refused.code == 7
        assert "--accept etag-not-md5" in refused.err
        accepted = sync(store, dest, "--accept", "etag-not-md5")
    assert (accepted.code, accepted.document["counts"]["landed"]) == (0, 12)


def test_a_store_without_etags_lands_by_length_and_reports_it_once(dest: Path) -> None:
    objects = results(5)

    def without_etag(request: Request) -> Answer | None:
        return None if is_listing(request) else Answer(200, objects[key_of(request)])

    with HostileS3(objects, without_etag) as store:
        ended = sync(store, dest)
    assert (ended.code, ended.document["counts"]["landed"]) == (0, 5)
    assert ended.err.count("neither ETag nor checksum of 5 landed objects") == 1


def test_headers_that_cannot_be_read_count_as_absent_and_are_named(dest: Path) -> None:
    objects = results(4)
    refused: set[str] = set()

    def damaged(request: Request) -> Answer | None:
        if is_listing(request):
            return None
        key = key_of(request)
        if key == min(objects) and key not in refused:
            refused.add(key)
            return Answer(503, b"", {"retry-after": "\u00b2"})
        body = objects[key]
        headers = {"etag": f'"{hashlib.md5(body).hexdigest()}"', "x-amz-checksum-crc32": "not base64"}
        return Answer(200, body, headers)

    with HostileS3(objects, damaged) as store:
        ended = sync(store, dest)
    assert (ended.code, ended.document["counts"]["landed"]) == (0, 4)
    assert "x-amz-checksum-crc32 could not be read in answers for 4 objects" in ended.err
    assert "retry-after could not be read in answers for 1 object:" in ended.err


def test_secrets_that_a_store_echoes_are_masked(dest: Path) -> None:
    def echo(request: Request) -> Answer | None:
        token = request.headers.get("x-amz-security-token", "")
        if is_listing(request) and "0" in request.query.get("max-keys", ""):
            return Answer(403, error_document("AccessDenied", f"token {token}"))
        return None

    with HostileS3({}, echo) as store:
        ended = run("ls", "s3://bkt/r/", "--endpoint-url", store.url, **KEYS, AWS_SESSION_TOKEN="ZQTOKEN")
    assert ended.code == 4
    assert "token ***" in ended.err
    assert "ZQTOKEN" not in ended.err + ended.out


@pytest.mark.parametrize(
    "command",
    [("ls", "s3://bkt/r/"), ("explain", "s3://bkt/r/", "--mode", "async"), ("test", "s3://bkt/r/", "--access", "read")],
    ids=lambda command: command[0],
)
def test_credentials_that_a_service_echoes_are_masked_for_every_client(command: tuple[str, ...]) -> None:
    def echo(request: Request) -> Answer:
        sent = f"{request.headers.get('authorization', '')} {request.headers.get('x-amz-security-token', '')}"
        return Answer(403, error_document("InvalidAccessKeyId", f"no such key in {sent}"))

    with HostileS3({}, echo) as store:
        for form in ("table", "json"):
            keys = {**KEYS, "AWS_SESSION_TOKEN": "ZQTOKEN", "AWS_ENDPOINT_URL": store.url}
            ended = run(*command, "--format", form, **keys)
            assert ended.code != 0
            shown = ended.out + ended.err
            assert "***" in shown
            assert "ZQTOKEN" not in shown
            assert "AKIAEXAMPLE" not in shown


def test_the_password_of_an_endpoint_is_shown_and_stored_nowhere(dest: Path) -> None:
    objects = results(3)
    with HostileS3(objects) as store:
        secret = store.url.replace("//", "//ann:ZQPASS@")
        first = run("sync", "s3://bkt/r/", dest, "--endpoint-url", secret, "--format", "json", **KEYS)
        second = run("sync", "s3://bkt/r/", dest, "--endpoint-url", store.url, "--format", "json", **KEYS)
    assert (first.code, second.code, second.document["counts"]["unchanged"]) == (0, 0, 3)
    files = [path for path in dest.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"ZQPASS" in path.read_bytes()]
    shown = first.out + first.err
    for command in (("ls", "s3://bkt/r/"), ("test", "s3://bkt/r/"), ("explain", "s3://bkt/r/", "--mode", "async")):
        failed = run(*command, "--retries", "0", "--endpoint-url", "http://ann:ZQPASS@127.0.0.1:9", **KEYS)
        assert failed.code != 0
        shown += failed.out + failed.err
    assert "ZQPASS" not in shown


def test_an_object_with_a_customers_key_has_a_cause_of_its_own(dest: Path) -> None:
    objects = results(3)
    first = sorted(objects)[0]
    sentence = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."

    def refuse(request: Request) -> Answer | None:
        return Answer(400, error_document("InvalidRequest", sentence)) if key_of(request) == first else None

    with HostileS3(objects, refuse) as store:
        ended = sync(store, dest)
    assert ended.code == 3
    assert [(each["key"], each["reason"]) for each in ended.document["problems"]] == [(first, "sse_c")]
    assert ended.document["counts"]["landed"] == 2


def test_a_proxy_that_asks_for_a_login_is_named(dest: Path) -> None:
    asked = Answer(407, b"<html>Proxy Authentication Required</html>", {"proxy-authenticate": "Basic realm=corp"})
    with HostileS3({}, lambda _: asked) as proxy:
        for scheme in ("http", "https"):
            ended = run(
                *("ls", "s3://bkt/r/", "--endpoint-url", f"{scheme}://store.invalid", "--retries", "0"),
                **KEYS,
                HTTP_PROXY=proxy.url,
                HTTPS_PROXY=proxy.url,
                NO_PROXY="",
            )
            assert ended.code == 8
            assert "the proxy asks for a login" in ended.err


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("cloud", ["s3", "gs"])
def test_a_proxy_that_asks_for_a_login_is_named_by_calls_of_sdks(scheme: str, cloud: str) -> None:
    asked = Answer(407, b"<html>Proxy Authentication Required</html>", {"proxy-authenticate": "Basic realm=corp"})
    requests: list[Request] = []

    def refuse(request: Request) -> Answer:
        requests.append(request)
        return asked

    with HostileS3({}, refuse) as proxy:
        ended = run(
            *("explain", f"{cloud}://bkt-1/r/", "--mode", "async"),
            **KEYS,
            AWS_ENDPOINT_URL=f"{scheme}://store.invalid",
            HTTP_PROXY=proxy.url.replace("//", "//ann:ZQPASS@"),
            HTTPS_PROXY=proxy.url.replace("//", "//ann:ZQPASS@"),
            NO_PROXY="",
            STORAGE_EMULATOR_HOST=f"{scheme}://store.invalid",
        )
    assert ended.code == 8, ended.err
    assert "the proxy asks for a login" in ended.err
    assert "HTTPS_PROXY" in ended.err
    assert "ZQPASS" not in ended.err
    # botocore retries; google-cloud-storage must not.
    assert cloud == "s3" or len(requests) < 10


@pytest.mark.parametrize("limit", ["-n 256", "-n 64", "-Sn 64"])
def test_few_open_files_bound_the_connections(dest: Path, limit: str) -> None:
    objects = results(300)
    with HostileS3(objects) as store:
        ended = subprocess.run(
            f"ulimit {limit}; exec {COMMAND} sync s3://bkt/r/ {dest} --endpoint-url {store.url} --format json",
            shell=True,
            capture_output=True,
            text=True,
            env=environment(**KEYS),
            check=False,
        )
    assert (ended.returncode, json.loads(ended.stdout)["counts"]["landed"]) == (0, 300)
