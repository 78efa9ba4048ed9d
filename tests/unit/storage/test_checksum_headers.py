"""Which checksum headers of an answer cannot be read, and so count as absent."""

from __future__ import annotations

import pytest

from harvester.storage.http.checksums import stated_by_gcs, stated_by_s3, unread_checksums


@pytest.mark.parametrize(
    ("headers", "unread"),
    [
        ({}, ()),
        ({"etag": "anything", "x-amz-checksum-type": "COMPOSITE"}, ()),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, ()),
        ({"x-amz-checksum-crc32": "AAAAAA==-3"}, ()),
        ({"x-amz-checksum-crc32": "no base64"}, ("x-amz-checksum-crc32",)),
        ({"x-amz-checksum-sha256": "AAAAAA=="}, ("x-amz-checksum-sha256",)),
        ({"x-goog-hash": "crc32c=AAAAAA==,md5=AAAAAAAAAAAAAAAAAAAAAA=="}, ()),
        ({"x-goog-hash": "crc32c=AAAAAA==, other=1"}, ()),
        ({"x-goog-hash": "crc32c=²,md5=AAAAAAAAAAAAAAAAAAAAAA=="}, ("x-goog-hash",)),
        (
            {"x-goog-hash": "md5=AAAAAA==", "x-amz-checksum-sha1": "", "etag": ""},
            ("x-amz-checksum-sha1", "x-goog-hash"),
        ),
    ],
)
def test_headers_that_cannot_be_read_are_named(headers: dict[str, str], unread: tuple[str, ...]) -> None:
    assert unread_checksums(headers) == unread


def test_what_cannot_be_read_is_not_compared() -> None:
    assert stated_by_s3({"x-amz-checksum-crc32": "no base64"}) is None
    assert stated_by_gcs({"x-goog-hash": "crc32c=²"}) is None
