"""The fetcher against answers beyond what S3 permits: no file of two versions, no healthy object lost."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harvester.causes import Cause
from harvester.location import parse_location
from harvester.retry import RetryPolicy
from harvester.sessions.connections import AnswerLimits, CheckExemption, StoreSettings
from harvester.storage.base import FetchResult, ObjectRef
from harvester.storage.opening import open_fetcher, open_store
from scripts.servers.hostile_s3 import Hostile, HostileS3, error_document, is_listing, key_of, md5, result, results
from scripts.servers.loopback_server import Answer, Request
from tests.contract.fetching import drive, fetch_all

SPOOL_FROM = 1000
BIG = result(1, 20_000)
CUT = 7_000


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def fetch(store: HostileS3, refs: list[ObjectRef], spool: Path, settings: StoreSettings) -> dict[str, FetchResult]:
    opened = open_store(parse_location("s3://bkt/r/"), settings)
    return fetch_all(opened, refs, spool, spool_from=SPOOL_FROM)


def settings_for(
    store: HostileS3,
    *,
    exemptions: frozenset[CheckExemption] = frozenset(),
    attempts: int = 3,
    error_bytes: int = 1 << 18,
) -> StoreSettings:
    return StoreSettings(
        endpoint_url=store.url,
        retry=RetryPolicy(
            attempts=attempts, seconds=20, base_delay=0.001, max_delay=0.01, connect_seconds=5, stall_seconds=5
        ),
        exemptions=exemptions,
        answer_limits=AnswerLimits(error_bytes=error_bytes),
    )


def ref(key: str, body: bytes, etag: str | None = None) -> ObjectRef:
    return ObjectRef(key, len(body), md5(body) if etag is None else etag, 0.0)


def content(fetched: FetchResult) -> bytes | None:
    if fetched.spool is not None:
        return Path(fetched.spool).read_bytes()
    return fetched.body


def big_object(answer: Callable[[Request, int], Answer]) -> tuple[Hostile, list[Request]]:
    """Cut the first answer for the big object at CUT bytes; ``answer`` gives the later ones, by their start."""
    asked: list[Request] = []

    def hostile(request: Request) -> Answer | None:
        if not request.path.endswith("big.json"):
            return None
        asked.append(request)
        found = re.match(r"bytes=(\d+)-", request.headers.get("range", ""))
        return answer(request, int(found[1]) if found else 0)

    return hostile, asked


def part(body: bytes, start: int, etag: str, *, total: int | None = None, first: int | None = None) -> Answer:
    length = len(body) if total is None else total
    begin = start if first is None else first
    headers = {"etag": etag, "content-range": f"bytes {begin}-{length - 1}/{length}"}
    return Answer(206, body[begin:], headers)


def cut(body: bytes, etag: str | None) -> Answer:
    return Answer(200, body, {} if etag is None else {"etag": etag}, send_bytes=CUT, ending="close")


STRONG = '"aaaa-3"'
OTHER = BIG.replace(b"x", b"y")


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(lambda start: part(OTHER, start, '"bbbb-3"'), id="another ETag"),
        pytest.param(lambda start: part(OTHER, start, f"W/{STRONG}"), id="a weak ETag"),
        pytest.param(
            lambda start: Answer(206, OTHER[start:], {"content-range": f"bytes {start}-{len(OTHER) - 1}/{len(OTHER)}"}),
            id="no ETag",
        ),
        pytest.param(lambda start: part(OTHER + b" ", start, STRONG), id="another total"),
        pytest.param(lambda start: part(OTHER, start, STRONG, first=start - 100), id="another start"),
        pytest.param(lambda start: Answer(206, OTHER[start:], {"etag": STRONG}), id="no range"),
        pytest.param(
            lambda start: Answer(206, OTHER[start:], {"etag": STRONG, "content-range": f"bytes {start}-²/*"}),
            id="a range that cannot be read",
        ),
        pytest.param(
            lambda start: Answer(
                206, OTHER[start:-9], {"etag": STRONG, "content-range": f"bytes {start}-{len(OTHER) - 10}/{len(OTHER)}"}
            ),
            id="a part of the rest",
        ),
        pytest.param(lambda _: Answer(412, error_document("PreconditionFailed")), id="412"),
        pytest.param(lambda _: Answer(416, error_document("InvalidRange")), id="416"),
    ],
)
def test_the_rest_of_another_version_is_never_appended(rest: Callable[[int], Answer], spool_directory: Path) -> None:
    whole = iter([cut(BIG, STRONG), Answer(200, BIG, {"etag": STRONG})])
    hostile, asked = big_object(lambda _, start: rest(start) if start else next(whole))
    with HostileS3({}, hostile) as store:
        done = fetch(store, [ref("r/big.json", BIG, "aaaa-3")], spool_directory, settings_for(store))
    assert content(done["r/big.json"]) == BIG
    assert [request.headers.get("range") for request in asked] == [None, f"bytes={CUT}-", None]
    assert asked[1].headers["if-match"] == STRONG
    assert len(list(spool_directory.iterdir())) == 1


def test_the_rest_of_the_same_version_is_appended(spool_directory: Path) -> None:
    hostile, asked = big_object(lambda _, start: part(BIG, start, STRONG) if start else cut(BIG, STRONG))
    with HostileS3({}, hostile) as store:
        done = fetch(store, [ref("r/big.json", BIG, "aaaa-3")], spool_directory, settings_for(store))
    assert content(done["r/big.json"]) == BIG
    assert len(asked) == 2


@pytest.mark.parametrize("etag", [f"W/{STRONG}", "aaaa-3", '"', None])
def test_without_a_strong_validator_a_body_starts_again(etag: str | None, spool_directory: Path) -> None:
    answers = iter([cut(BIG, etag), Answer(200, BIG, {} if etag is None else {"etag": etag})])
    hostile, asked = big_object(lambda *_: next(answers))
    with HostileS3({}, hostile) as store:
        done = fetch(store, [ref("r/big.json", BIG, "aaaa-3")], spool_directory, settings_for(store))
    assert content(done["r/big.json"]) == BIG
    assert [request.headers.get("range") for request in asked] == [None, None]


def test_a_part_that_was_not_asked_for_is_no_object(spool_directory: Path) -> None:
    hostile, _ = big_object(lambda *_: part(BIG, 100, STRONG))
    with HostileS3({}, hostile) as store:
        done = fetch(store, [ref("r/big.json", BIG, "aaaa-3")], spool_directory, settings_for(store))
    assert done["r/big.json"].failure is not None
    assert list(spool_directory.iterdir()) == []


@pytest.mark.parametrize("size", [0, 5, 20_000])
def test_a_store_that_states_no_etag_is_believed_by_the_length(size: int, spool_directory: Path) -> None:
    body = b"x" * size
    with HostileS3({}, lambda _: Answer(200, body)) as store:
        done = fetch(
            store,
            [ref("r/right", body, "listed"), ObjectRef("r/wrong", size + 1, "listed", 0.0)],
            spool_directory,
            settings_for(store),
        )
    assert (content(done["r/right"]), done["r/right"].etag) == (body, "listed")
    failure = done["r/wrong"].failure
    assert failure is not None
    assert failure.cause is Cause.INTEGRITY


def test_etags_that_are_no_md5_are_diagnosed_for_the_store_and_can_be_exempted(spool_directory: Path) -> None:
    objects = results(20)
    refs = [ref(key, body, "0" * 32) for key, body in objects.items()]

    def other_digest(request: Request) -> Answer | None:
        if is_listing(request):
            return None
        return Answer(200, objects[key_of(request)], {"etag": f'"{"0" * 32}"'})

    with HostileS3(objects, other_digest) as store:
        done = fetch(store, refs, spool_directory, settings_for(store))
        causes = [fetched.failure.cause for fetched in done.values() if fetched.failure]
        # An object whose attempts end before the store is diagnosed keeps what it failed with.
        assert set(causes) <= {Cause.ETAG_NOT_MD5, Cause.INTEGRITY}
        assert causes.count(Cause.ETAG_NOT_MD5) > len(refs) // 2
        assert sum(fetched.attempts for fetched in done.values()) < 3 * len(refs)
        exempt = settings_for(store, exemptions=frozenset({CheckExemption.ETAG_NOT_MD5}))
        done = fetch(store, refs, spool_directory, exempt)
    assert {key: content(fetched) for key, fetched in done.items()} == objects


def test_one_damaged_object_among_many_stays_an_integrity_failure(spool_directory: Path) -> None:
    objects = results(20)
    damaged = set(sorted(objects)[:3])

    def damage(request: Request) -> Answer | None:
        if is_listing(request):
            return None
        key = key_of(request)
        body = objects[key]
        return Answer(200, body[:-1] + b" " if key in damaged else body, {"etag": f'"{md5(body)}"'})

    with HostileS3(objects, damage) as store:
        # One at a time, the sound ones first: a store whose ETags have matched is no store of other digests.
        sound = [ref(key, body) for key, body in objects.items() if key not in damaged]
        opened = open_store(parse_location("s3://bkt/r/"), settings_for(store))
        fetcher = open_fetcher(opened.connection(), str(spool_directory), SPOOL_FROM)
        assert all(fetched.failure is None for fetched in drive(fetcher, sound).values())
        done = drive(fetcher, [ref(key, objects[key]) for key in damaged])
        fetcher.close()
    assert {fetched.failure.cause for fetched in done.values() if fetched.failure} == {Cause.INTEGRITY}
    assert len(done) == 3


def test_an_etag_counts_for_nothing_beside_a_checksum_of_the_bytes(spool_directory: Path) -> None:
    body = result(1)
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    headers = {"etag": f'"{"0" * 32}"', "x-amz-checksum-sha256": digest}
    with HostileS3({}, lambda _: Answer(200, body, headers)) as store:
        done = fetch(store, [ref("r/a", body, "0" * 32)], spool_directory, settings_for(store))
    assert content(done["r/a"]) == body


def test_an_answer_without_a_length_does_not_fill_the_disk(spool_directory: Path) -> None:
    body = b"x" * (18 * 1024 * 1024)
    with HostileS3({}, lambda _: Answer(200, body, {"etag": STRONG}, chunked=True)) as store:
        done = fetch(store, [ObjectRef("r/a", SPOOL_FROM, "aaaa-3", 0.0)], spool_directory, settings_for(store))
    assert done["r/a"].failure is not None
    assert "goes on beyond" in done["r/a"].failure.detail
    assert list(spool_directory.iterdir()) == []


def test_an_error_body_is_limited_and_one_just_below_the_limit_is_read(spool_directory: Path) -> None:
    long = error_document("AccessDenied", "x" * 900)

    def refuse(request: Request) -> Answer | None:
        return Answer(404, error_document("NoSuchKey", "x" * (2000 if key_of(request) == "r/long" else 900)))

    with HostileS3({}, refuse) as store:
        refs = [ObjectRef("r/long", 5, "e", 0.0), ObjectRef("r/short", 5, "e", 0.0)]
        done = fetch(store, refs, spool_directory, settings_for(store, error_bytes=len(long) + 100))
    assert done["r/short"].failure is not None
    assert done["r/short"].failure.cause is Cause.GONE
    assert done["r/long"].failure is not None
    assert done["r/long"].failure.cause is Cause.SERVER_ERROR


hostile_headers = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "etag",
            "content-range",
            "last-modified",
            "x-amz-checksum-crc32",
            "x-amz-checksum-type",
            "x-amz-request-id",
            "x-amz-server-side-encryption",
            "x-amz-bucket-region",
            "content-type",
            "transfer-encoding",
            "location",
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
    | st.sampled_from(["²", "-1", "9" * 400, "Sat, 99 Foo 99999999 99:99:99 GMT", "bytes 0-²/*", '"', "W/", "chunked"]),
    max_size=4,
)
hostile_bodies = st.binary(max_size=200) | st.sampled_from(
    [
        b'<?xml version="1.0" encoding="GBK"?><Error/>',
        b'<!DOCTYPE x [<!ENTITY a "b">]><Error><Code>&a;</Code></Error>',
        b"<Error>" * 5000,
        "<Error><Code>x</Code></Error>".encode("utf-16"),
        b"<Error><Code>AccessDenied</Code><Message>is not authorized to perform: s3:GetObject</Message></Error>",
        b"<Error><Code>ExpiredToken</Code></Error>",
        b"<Error><Code>SlowDown</Code></Error>",
        b"\x00" * 300,
        b"{" * 3000,
    ]
)


def leaves_waiting(answer: Answer) -> bool:
    """Return whether a client would wait for more on a connection that is kept: stalls are tests of their own."""
    is_short = answer.content_length is not None and answer.content_length > len(answer.body)
    return answer.ending == "keep" and (is_short or answer.status == 100 or "transfer-encoding" in answer.headers)


answers = st.builds(
    Answer,
    status=st.sampled_from([100, 200, 200, 201, 204, 206, 301, 304, 307, 400, 403, 404, 409, 412, 416, 500, 503, 999]),
    body=hostile_bodies,
    headers=hostile_headers,
    content_length=st.sampled_from([None, None, None, 0, 7, 10**15]),
    chunked=st.booleans(),
    ending=st.sampled_from(["keep", "close", "reset"]),
).map(lambda answer: replace(answer, ending="close") if leaves_waiting(answer) else answer)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers, st.sampled_from([5, SPOOL_FROM, 2**63 - 1]))
@example(Answer(500, b'<?xml version="1.0" encoding="GBK"?><Error/>'), 5)
@example(Answer(503, headers={"retry-after": "²"}), 5)
def test_no_answer_for_one_object_harms_another(spool_directory: Path, answer: Answer, size: int) -> None:
    objects = results(3)

    def hostile(request: Request) -> Answer | None:
        return answer if "bad" in request.target else None

    with HostileS3(objects, hostile) as store:
        refs = [ref(key, body) for key, body in objects.items()]
        quick = settings_for(store)
        bad = ObjectRef("r/bad", size, "e", 0.0)
        opened = open_store(parse_location("s3://bkt/r/"), quick)
        done = fetch_all(
            opened, [bad, *refs], spool_directory, spool_from=SPOOL_FROM, renew=lambda: opened.connection(renew=True)
        )
    assert {key: content(done[key]) for key in objects} == objects
