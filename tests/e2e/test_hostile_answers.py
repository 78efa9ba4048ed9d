"""The installed command against hostile answers with objects: what one of them does ends no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.servers.hostile_s3 import HostileS3, error_document, is_listing, key_of, results
from scripts.servers.http_server import Answer, Request
from tests.e2e.program import Ended, run

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


def test_a_store_without_etags_lands_by_length_and_says_so_once(dest: Path) -> None:
    objects = results(5)

    def without_etag(request: Request) -> Answer | None:
        return None if is_listing(request) else Answer(200, objects[key_of(request)])

    with HostileS3(objects, without_etag) as store:
        ended = sync(store, dest)
    assert (ended.code, ended.document["counts"]["landed"]) == (0, 5)
    assert ended.err.count("neither ETag nor checksum of 5 landed objects") == 1
