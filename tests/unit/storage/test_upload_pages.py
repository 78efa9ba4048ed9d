"""Listings of uploads in progress: every page, bounded, and a reason where they are not known."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from harvester.storage.base import Upload, UploadList
from harvester.storage.bucket_settings import Unread, UnreadReason
from harvester.storage.http import Response
from harvester.storage.s3.upload_pages import list_uploads
from harvester.storage.service_errors import ServiceError, answered

PERMISSION = "s3:ListBucketMultipartUploads"
BEGAN = 1_795_342_631.0


def upload(key: str, initiated: str = "2026-11-22T10:17:11.000Z") -> str:
    return f"<Upload><Key>{key}</Key><UploadId>id</UploadId><Initiated>{initiated}</Initiated></Upload>"


def page(
    *uploads: str, more: str = "<IsTruncated>false</IsTruncated>", root: str = "ListMultipartUploadsResult"
) -> bytes:
    head = f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
    return f"{head}{more}{''.join(uploads)}</{root}>".encode()


def truncated(key: str, upload_id: str) -> str:
    marker = f"<NextKeyMarker>{quote(key)}</NextKeyMarker><NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
    return f"<IsTruncated>true</IsTruncated>{marker}"


class Bucket:
    """Answers one request after the other, and keeps what was asked."""

    def __init__(self, answers: Iterator[bytes | ServiceError]) -> None:
        self.answers = answers
        self.asked: list[dict[str, str]] = []

    def ask(self, parameters: dict[str, str]) -> Response | ServiceError:
        self.asked.append(dict(parameters))
        answer = next(self.answers)
        return answer if isinstance(answer, ServiceError) else Response(200, {}, answer)


def test_all_pages_are_listed_below_the_prefix() -> None:
    pages = (page(upload("r/a%2Bb"), upload("other"), more=truncated("r/a+b é", "id+1")), page(upload("r/c+d")))
    bucket = Bucket(iter(pages))

    assert list_uploads(bucket.ask, "r/") == UploadList([Upload("r/a+b", BEGAN), Upload("r/c d", BEGAN)])
    first, second = bucket.asked
    assert first == {"uploads": "", "encoding-type": "url", "max-uploads": "1000", "prefix": "r/"}
    assert second == {**first, "key-marker": "r/a+b é", "upload-id-marker": "id+1"}


def test_a_listing_without_end_is_left_incomplete() -> None:
    bucket = Bucket(iter(lambda: page(upload("r/a"), more=truncated("r/a", "id")), None))
    found = list_uploads(bucket.ask, "r/")
    assert (len(found.uploads), found.is_complete, found.unread, len(bucket.asked)) == (100, False, None, 100)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "AccessDenied", UnreadReason.DENIED),
        (501, "NotImplemented", UnreadReason.NOT_OFFERED),
        (405, "MethodNotAllowed", UnreadReason.NOT_OFFERED),
        (503, "SlowDown", UnreadReason.UNREACHABLE),
    ],
)
def test_a_refusal_names_its_reason_and_the_permission(status: int, code: str, reason: UnreadReason) -> None:
    refused = answered("ListMultipartUploads", status, code, "no", "R1")
    bucket = Bucket(iter((page(upload("r/a"), more=truncated("r/a", "id")), refused)))
    unread = Unread(reason, PERMISSION, code, "R1")
    assert list_uploads(bucket.ask, "r/") == UploadList([], is_complete=False, unread=unread)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        page(root="ListBucketResult"),
        page(more="<IsTruncated>true</IsTruncated>"),
        page(more="<IsTruncated>maybe</IsTruncated>"),
        page(upload("")),
        page(upload("r/a", "yesterday")),
        page(upload("r/a", "")),
    ],
)
def test_an_answer_that_cannot_be_used_is_no_list(body: bytes) -> None:
    found = list_uploads(Bucket(iter((body,))).ask, "r/")
    assert found == UploadList([], is_complete=False, unread=Unread(UnreadReason.NOT_OFFERED, PERMISSION))
