"""What comes over the wire is read as the SDKs read it, and garbage is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import zlib
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.causes import Cause
from harvester.storage.base import ObjectRef, RefusedObject
from harvester.storage.gcs import json_api
from harvester.storage.http.checksums import stated_by_gcs, stated_by_s3
from harvester.storage.http.http_client import Response, parse_headers, parse_http_date
from harvester.storage.s3 import rest_api
from harvester.storage.s3.list_page import parse_page

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def page(entries: str, more: str = "<IsTruncated>false</IsTruncated>", encoding: str = "url") -> bytes:
    encoding = f"<EncodingType>{encoding}</EncodingType>" if encoding else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>b</Name>{encoding}{more}{entries}</ListBucketResult>"
    ).encode()


def entry(key: str, size: int | str = 5) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>2026-11-22T10:17:11.000Z</LastModified><ETag>&quot;abc-2&quot;</ETag>"
        f"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


@given(st.lists(keys), st.sampled_from([quote, quote_plus]))
def test_keys_are_decoded_as_botocore_decodes_them(found: list[str], encode: object) -> None:
    assert callable(encode)
    parsed = parse_page(page("".join(entry(encode(key, safe="")) for key in found)))

    assert parsed.objects == [ObjectRef(key, 5, "abc-2", 1795342631.0, "STANDARD") for key in found]
    assert parsed.token is None


@given(st.lists(keys, min_size=1), st.integers(0), st.sampled_from(["", "\n", "<!-- -->", "<Owner><ID>x</ID></Owner>"]))
def test_the_fast_way_and_the_parser_agree(found: list[str], chosen: int, between: str) -> None:
    entries = [entry(quote(key, safe="")) for key in found]
    plain = parse_page(page("".join(entries)))
    # Whatever stands in one entry that S3 does not write there sends the page, or that entry, to the parser.
    number = chosen % len(entries)
    entries[number] = entries[number].replace("<Size>", f"{between}<Size>")

    assert parse_page(page("".join(entries))) == plain


def test_an_entry_in_a_comment_is_none() -> None:
    assert parse_page(page(f"<!-- {entry('a')} -->{entry('b')}")).objects == parse_page(page(entry("b"))).objects


def test_keys_without_encoding_are_taken_as_they_stand() -> None:
    parsed = parse_page(page(entry(escape("a+b%20&<c")), encoding=""))

    assert parsed.objects[0].key == "a+b%20&<c"


@pytest.mark.parametrize(
    ("text", "truncated"), [("true", True), ("True", True), (" 1 ", True), ("false", False), ("", False)]
)
def test_a_truncated_page_is_stated_in_several_ways(text: str, *, truncated: bool) -> None:
    assert parse_page(page(entry("k"), f"<IsTruncated>{text}</IsTruncated>")).truncated is truncated


def test_a_token_leads_on() -> None:
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t/+=</NextContinuationToken>"

    assert parse_page(page("", more)).token == "t/+="


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"<Error><Code>x</Code></Error>",
        page(entry("k"))[:-20],
        # In the form of plain entries, but no XML.
        page(entry("k]]>")),
        page(entry("k").replace("10:17", "10]]>17")),
        page(entry("k").replace("CRC64NVME", "CRC]]>")),
        page(entry("k&none;")),
        page(entry("k").replace("CRC64NVME", "&none;")),
        page(entry("k"), "<IsTruncated>yes</IsTruncated>"),
        b"<!DOCTYPE x>" + page(entry("k")).partition(b"?>")[2],
        page(entry("k")).replace(b"UTF-8", b"GBK"),
        page(entry("k")).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    ],
)
def test_what_is_no_list_page_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_page(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"items":5}',
        b'{"items":null}',
        b'{"nextPageToken":5}',
        b'{"error":{}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_page_of_google_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_api.parse_gcs_page(body)


@pytest.mark.parametrize("size", ["many", "-1", "", "1_0", " 5", "5 ", "٣", "²", "0x5", str(2**63), "9" * 5000])
def test_an_entry_whose_size_is_none_is_refused_and_harms_no_other(size: str) -> None:
    parsed = parse_page(page(entry("a") + entry("b", size) + entry("c")))
    assert [ref.key for ref in parsed.objects] == ["a", "c"]
    assert parsed.refused == [RefusedObject("b", "invalid_size")]
    items = [
        {"name": "a", "size": "5", "generation": "1", "timeCreated": "2026-11-22T10:17:11.000Z"},
        {"name": "b", "size": size, "generation": "1", "timeCreated": "2026-11-22T10:17:11.000Z"},
    ]
    listed = json_api.parse_gcs_page(json.dumps({"items": items}).encode())
    assert [ref.key for ref in listed.objects] == ["a"]
    assert listed.refused == [RefusedObject("b", "invalid_size")]


def test_the_greatest_size_is_accepted() -> None:
    parsed = parse_page(page(entry("a", 2**63 - 1) + entry("b", 0)))
    assert [ref.size for ref in parsed.objects] == [2**63 - 1, 0]


def test_an_entry_without_a_key_is_refused() -> None:
    parsed = parse_page(page("<Contents><Size>5</Size></Contents>" + entry("b")))
    assert ([ref.key for ref in parsed.objects], parsed.refused) == (["b"], [RefusedObject("", "invalid_key")])
    listed = json_api.parse_gcs_page(b'{"items":[{},{"name":5,"size":"1"},{"name":"","size":"1"},7,{"name":"a"}]}')
    assert listed.refused == [RefusedObject("", "invalid_key")] * 4 + [RefusedObject("a", "invalid_size")]


@pytest.mark.parametrize("time", ["", "Mon, 30 Nov 2026 10:00:00 GMT", "99999-01-01T00:00:00Z", "x" * 5000])
def test_a_time_that_cannot_be_read_counts_as_absent(time: str) -> None:
    body = page(entry("a").replace("2026-11-22T10:17:11.000Z", time))
    assert [ref.last_modified for ref in parse_page(body).objects] == [0.0]
    body = page(entry("a").replace("<LastModified>2026-11-22T10:17:11.000Z</LastModified>", ""))
    assert [ref.last_modified for ref in parse_page(body).objects] == [0.0]


def test_a_time_without_a_zone_is_utc_whatever_zone_is_set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        body = page(entry("a").replace("10:17:11.000Z", "10:17:11"))
        assert parse_page(body).objects == parse_page(page(entry("a"))).objects
        assert parse_http_date("Mon, 30 Nov 2026 10:00:00") == parse_http_date("Mon, 30 Nov 2026 10:00:00 GMT")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_key_of_bytes_that_are_not_utf_8_keeps_them_and_harms_no_other() -> None:
    assert [ref.key for ref in parse_page(page(entry("a%FF") + entry("b"))).objects] == ["a\udcff", "b"]
    listed = json_api.parse_gcs_page(b'{"items":[{"name":"a\\ud800","size":"1"},{"name":"\xc3\xa4","size":"1"}]}')
    assert [ref.key for ref in listed.objects] == ["a\udced\udca0\udc80", "ä"]


@given(st.binary(max_size=300), st.integers(300, 599))
def test_any_refusal_means_something(body: bytes, status: int) -> None:
    response = Response(status, {}, body)

    assert rest_api.service_error_from(response, "GetObject").cause in Cause
    assert json_api.service_error_from(response, "objects.get", anonymous=False).cause in Cause
    rest_api.bucket_region(response)
    rest_api.parse_owners(body)


def test_the_last_answer_counts() -> None:
    lines = [
        b"HTTP/1.1 200 Connection established\r\n",
        b"Via: proxy\r\n",
        b"\r\n",
        b"HTTP/1.1 404 Not Found\r\n",
        b'ETag:  "a:b" \r\n',
        b"\r\n",
    ]

    assert parse_headers(lines) == (404, {"etag": '"a:b"'})


@given(st.binary())
def test_a_checksum_agrees_with_its_bytes_and_no_others(body: bytes) -> None:
    crc32 = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
    for headers in ({"x-amz-checksum-crc32": crc32}, {"x-amz-checksum-sha256": sha256}):
        for data, agrees in ((body, True), (body + b"x", False)):
            checksum = stated_by_s3(headers)
            assert checksum is not None
            checksum.update(data[:3])
            checksum.update(data[3:])
            assert (checksum.mismatch() == "") is agrees


@pytest.mark.parametrize("value", ["", "no base64!", "AAAA", "AAAAAA==-3", "=", "\u00e9"])
def test_a_checksum_that_is_none_is_passed_over(value: str) -> None:
    assert stated_by_s3({"x-amz-checksum-crc32": value}) is None
    assert stated_by_gcs({"x-goog-hash": f"crc32c={value}"}) is None


def test_the_hash_of_a_transcoded_answer_proves_nothing() -> None:
    hashed = {"x-goog-hash": "crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg=="}

    assert stated_by_gcs(hashed) is not None
    assert stated_by_gcs({**hashed, "x-goog-stored-content-encoding": "gzip", "content-encoding": "gzip"}) is not None
    assert stated_by_gcs({**hashed, "x-goog-stored-content-encoding": "gzip"}) is None
    assert stated_by_gcs({**hashed, "x-goog-stored-content-encoding": "identity", "content-encoding": "gzip"}) is None
