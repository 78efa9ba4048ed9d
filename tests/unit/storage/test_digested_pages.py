"""Digests of list answers: equal for equal entries, whatever stands around them, and of no answer that hides some."""

from __future__ import annotations

import pytest

from harvester.location import parse_location
from harvester.sessions.connections import StoreSettings
from harvester.storage.base import KnownPage
from harvester.storage.s3.digested_pages import page_digest, read_answer
from harvester.storage.s3.object_store import S3Store
from scripts.servers.memory_s3 import MemoryS3

SECRET = b"s" * 32
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
ENTRY = "<Contents><Key>r/{}</Key><ETag>&quot;1&quot;</ETag><Size>1</Size></Contents>"
END = "</ListBucketResult>"


def page(*keys: str, around: str = "<EncodingType>url</EncodingType>", end: str = "") -> bytes:
    return (HEAD + around + "".join(map(ENTRY.format, keys)) + end + END).encode()


def digest(body: bytes, secret: bytes = SECRET) -> bytes:
    keys = body.count(b"<Contents>")
    return page_digest(body, keys, secret, keys)


def test_what_stands_around_the_entries_changes_no_digest() -> None:
    token = "<NextContinuationToken>x</NextContinuationToken><IsTruncated>true</IsTruncated>"
    around = "<KeyCount>2</KeyCount><EncodingType>url</EncodingType>"
    bodies = (page("a", "b"), page("a", "b", around=around, end=token))
    found = [read_answer(body) for body in bodies]
    assert [each and each.is_last for each in found] == [True, False]
    assert [each and each.digest(SECRET) for each in found] == [digest(body) for body in bodies]
    assert digest(bodies[0]) == digest(bodies[1])


@pytest.mark.parametrize(
    "other",
    [
        page("a"),
        page("b", "a"),
        page("a", "b", around=""),
        page("a", "b").replace(b"<Size>1<", b"<Size>2<", 1),
        page("a", "b").replace(b"s3.amazonaws.com", b"example.com"),
    ],
)
def test_other_entries_have_another_digest(other: bytes) -> None:
    assert digest(other) not in (b"", digest(page("a", "b")))
    assert digest(page("a", "b"), b"t" * 32) != digest(page("a", "b"))


@pytest.mark.parametrize(
    "hidden",
    [
        page(),
        b"",
        b"</Contents><Contents>",
        page("a", "b").replace(b"<Contents>", b"<!--<Contents>", 1).replace(b"</ListB", b"--></ListB"),
        page("a", "b").replace(b"<Contents>", b"<![CDATA[<Contents>", 1).replace(b"</ListB", b"]]></ListB"),
        page("a", "b").replace(b"<Contents>", b"<?x <Contents>", 1).replace(b"</ListB", b"?></ListB"),
        page("a", "b", end="<Contents ><Key>r/c</Key></Contents >"),
        page("a", "b").replace(b"ListBucketResult", b"Error"),
        page("a", "b", end="<unclosed>"),
        page("a", "b").replace(b"<Size>", b"<!-- -->", 1),
        page("a", "b").replace(b"<Size>", b"<?x ?><Size>", 1),
    ],
)
def test_what_is_no_plain_page_has_no_digest(hidden: bytes) -> None:
    assert not digest(hidden)


def test_an_answer_that_was_read_otherwise_has_no_digest() -> None:
    assert not page_digest(page("a", "b"), 1, SECRET, 1)


def test_a_store_compares_pages_by_the_key_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "y"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with MemoryS3({f"r/{number:02}+ä": b"x" for number in range(10)}) as server:
        store = S3Store(parse_location("s3://bucket/r/"), StoreSettings(endpoint_url=server.url))
        listing = store.digested(SECRET)
        assert listing is not None
        small = list(listing.list_pages(ordered=True, page_keys=4))
        assert [(len(each.objects), len(each.digest)) for each in small] == [(4, 32), (4, 32), (2, 32)]
        pages = list(listing.list_pages(ordered=True))
        keys = [ref.key for ref in pages[0].objects]
        found = list(listing.list_pages(f"{keys[3]}\0", f"{keys[7]}\0", ordered=True))
        assert [ref.key for each in found for ref in each.objects] == keys[4:8]
        compared = listing.compare_page(KnownPage(keys[3], keys[7], 4, found[0].digest), 4)
        assert (compared.is_equal, compared.is_last) == (True, False)

        whole = KnownPage("", keys[-1], 10, pages[0].digest)
        compared = listing.compare_page(whole, 10)
        assert compared.is_equal
        assert compared.is_last
        assert compared.read().objects == pages[0].objects
        server.put(keys[5], b"other")
        assert not listing.compare_page(whole, 10).is_equal
        assert [ref.key for ref in listing.compare_page(whole, 10).read().objects] == keys
        rest = listing.compare_page(KnownPage(keys[4], keys[-1], 5, b""), 5).read()
        assert [ref.key for ref in rest.objects] == keys[5:]


def test_the_first_entries_have_the_digest_of_a_page_of_them() -> None:
    whole = page("a", "b", "c", end="<Delimiter></Delimiter>")
    assert page_digest(whole, 3, SECRET, 2) == digest(page("a", "b"))
