"""The installed command against stores that list beyond what S3 permits: nothing is lost, and no run is endless."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from scripts.commands.installed_command import Ended, run
from scripts.servers.hostile_s3 import HostileS3, entry, is_listing, list_page, result, results, reversed_pages
from scripts.servers.loopback_server import Answer, LoopbackServer, Request

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


def sync(store: HostileS3, dest: Path, *options: str) -> Ended:
    return run(
        "sync", "s3://bkt/r/", dest, "--endpoint-url", store.url, "--retries", "1", "--format", "json", *options, **KEYS
    )


def landed(dest: Path) -> list[str]:
    return sorted(
        str(path.relative_to(dest))
        for path in dest.rglob("*")
        if path.is_file() and ".nimble-harvester" not in path.parts
    )


def test_a_store_without_order_is_listed_again_and_loses_nothing(dest: Path) -> None:
    objects = {f"r/{hashlib.md5(b'%d' % number).hexdigest()}.json": result(number) for number in range(2100)}
    with HostileS3(objects, reversed_pages(objects)) as store:
        first = sync(store, dest)
        assert first.code == 0
        assert first.document["counts"] == dict.fromkeys(first.document["counts"], 0) | {"listed": 2100, "landed": 2100}
        assert "does not list in byte order" in first.err
        assert len(landed(dest)) == 2100
        again = sync(store, dest)
        assert (again.code, again.document["counts"]["unchanged"]) == (0, 2100)
        store.objects.clear()
        removed = sorted(objects)[:100]
        for key in removed:
            del objects[key]
        third = sync(store, dest)
        assert third.document["source_gone"] == 100
        assert third.document["counts"]["unchanged"] == 2000


def test_order_that_is_lost_after_objects_have_landed_counts_each_object_once(dest: Path) -> None:
    objects = results(2500)
    keys = sorted(objects)
    pages = [keys[:1000], keys[1000:2000], [*keys[2001:], keys[2000], keys[5]]]

    def lose_order(request: Request) -> Answer | None:
        if not is_listing(request):
            return None
        number = int(request.query.get("continuation-token", "0"))
        if after := request.query.get("start-after"):
            found = [key for key in pages[2] if key > after]
            return Answer(200, list_page(entry(key, objects[key]) for key in found))
        following = str(number + 1) if number < 2 else None
        return Answer(200, list_page((entry(key, objects[key]) for key in pages[number]), following))

    with HostileS3(objects, lose_order) as store:
        first = sync(store, dest)
    assert first.code == 0
    assert first.document["counts"] == dict.fromkeys(first.document["counts"], 0) | {"listed": 2500, "landed": 2500}
    assert len(landed(dest)) == 2500


def test_keys_outside_the_prefix_are_refused_and_the_others_land(dest: Path) -> None:
    objects = results(3) | results(4, "old/")

    def list_all(request: Request) -> Answer | None:
        if not is_listing(request):
            return None
        return Answer(200, list_page(entry(key, body) for key, body in sorted(objects.items())))

    with HostileS3(objects, list_all) as store:
        ended = sync(store, dest)
    assert ended.code == 3
    assert (ended.document["counts"]["landed"], ended.document["counts"]["refused"]) == (3, 4)
    assert {problem["reason"] for problem in ended.document["problems"]} == {"outside_prefix"}
    assert landed(dest) == ["00000.json", "00001.json", "00002.json"]
    assert run("verify", dest, **KEYS).code == 0


def test_a_listing_of_another_prefix_is_refused(dest: Path) -> None:
    def list_other(request: Request) -> Answer | None:
        return Answer(200, list_page([entry("aa", b"x"), entry("bb", b"x")])) if is_listing(request) else None

    with HostileS3({}, list_other) as store:
        ended = sync(store, dest)
    assert ended.code == 6
    assert landed(dest) == []


@pytest.mark.parametrize("tokens", ["the same", "another each time"])
def test_a_listing_without_progress_ends(dest: Path, tokens: str) -> None:
    objects = results(1000)
    asked: list[Request] = []

    def for_ever(request: Request) -> Answer | None:
        if not is_listing(request):
            return None
        asked.append(request)
        token = "T" if tokens == "the same" else f"T{len(asked)}"
        return Answer(200, list_page((entry(key, body) for key, body in objects.items()), token))

    with HostileS3(objects, for_ever) as store:
        ended = sync(store, dest)
    assert ended.code == 6
    assert len(asked) <= 30


def test_a_size_over_63_bits_is_refused_and_the_others_land(dest: Path) -> None:
    objects = results(2)
    first, second = sorted(objects)

    def list_huge(request: Request) -> Answer | None:
        if not is_listing(request):
            return None
        return Answer(200, list_page([entry(first, size=10**30), entry(second, objects[second])]))

    with HostileS3(objects, list_huge) as store:
        listed = run("ls", "s3://bkt/r/", "--endpoint-url", store.url, **KEYS)
        assert (listed.code, listed.err.strip()) == (3, f"{first}: refused: invalid_size")
        assert len(listed.out.splitlines()) == 1
        ended = sync(store, dest)
    assert ended.code == 3
    assert [(problem["key"], problem["reason"]) for problem in ended.document["problems"]] == [(first, "invalid_size")]
    assert landed(dest) == ["00001.json"]


@pytest.mark.parametrize("names", ["marker", "start-after"])
def test_a_store_that_gives_no_token_is_continued_after_the_last_key(dest: Path, names: str) -> None:
    objects = results(2500)

    def without_tokens(request: Request) -> Answer | None:
        if not is_listing(request):
            return None
        keys = [key for key in sorted(objects) if key > request.query.get(names, "")]
        return Answer(200, list_page((entry(key, objects[key]) for key in keys[:1000]), truncated=len(keys) > 1000))

    with HostileS3(objects, without_tokens) as store:
        ended = sync(store, dest)
    assert (ended.code, ended.document["counts"]["landed"]) == (0, 2500)


def test_an_endless_list_page_is_cut_off(dest: Path) -> None:
    def endless(request: Request) -> Answer | None:
        return Answer(200, b" " * (17 * 1024 * 1024), chunked=True) if is_listing(request) else None

    with HostileS3({}, endless) as store:
        ended = sync(store, dest)
    assert ended.code == 6
    assert "longer than 16,777,216 bytes" in ended.err


def test_the_longest_honest_list_page_is_accepted(dest: Path) -> None:
    names = [f"r/{number:04d}" + "ü" * 500 + ".json" for number in range(1000)]

    def long_names(request: Request) -> Answer | None:
        if not is_listing(request):
            return None
        return Answer(200, list_page(entry(name, b"") for name in names) + b" " * (12 * 1024 * 1024))

    with HostileS3({}, long_names) as store:
        ended = run("ls", "s3://bkt/r/", "--endpoint-url", store.url, **KEYS)
    assert ended.code == 0
    assert ended.out.count(os.linesep) >= 1000


def test_a_listing_of_google_with_the_same_token_ends(dest: Path) -> None:
    objects = results(3)
    asked: list[Request] = []

    def for_ever(request: Request) -> Answer:
        asked.append(request)
        items = [{"name": key, "size": str(len(body)), "generation": "1"} for key, body in objects.items()]
        return Answer(200, json.dumps({"items": items, "nextPageToken": "T"}).encode())

    with LoopbackServer(for_ever) as store:
        ended = run("sync", "gs://bkt/r/", dest, "--format", "json", STORAGE_EMULATOR_HOST=store.url)
    assert ended.code == 6
    assert "same continuation token twice" in ended.err
    assert len(asked) < 20
