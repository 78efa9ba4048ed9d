"""List the multipart uploads in progress, in bounded pages.

Source: Amazon S3 API Reference, ListMultipartUploads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from harvester.storage.base import PAGE_KEYS, UNKNOWN_TIME, Upload, UploadList
from harvester.storage.bucket_settings import unread
from harvester.storage.http import Response
from harvester.storage.page_checks import checked_time
from harvester.storage.s3.list_page import is_true
from harvester.storage.s3.xml_documents import parse_xml
from harvester.storage.service_errors import ServiceError

_PERMISSION: Final = "s3:ListBucketMultipartUploads"
_MOST_PAGES: Final = 100


class UploadPage(NamedTuple):
    """One page of a listing of uploads."""

    uploads: list[Upload]
    """The uploads of the page."""
    next: dict[str, str] | None
    """The parameters that ask for the next page; None after the last."""


def list_uploads(ask: Callable[[dict[str, str]], Response | ServiceError], prefix: str) -> UploadList:
    """Return the uploads below a prefix, 100,000 at most; ``ask`` sends the parameters of a request to the bucket."""
    parameters = {"uploads": "", "encoding-type": "url", "max-uploads": str(PAGE_KEYS), "prefix": prefix}
    found: list[Upload] = []
    for _ in range(_MOST_PAGES):
        answer = ask(parameters)
        if isinstance(answer, ServiceError):
            return UploadList([], is_complete=False, unread=unread(answer, _PERMISSION))
        try:
            page = parse_upload_page(answer.body)
        except ValueError:
            return UploadList([], is_complete=False, unread=unread(None, _PERMISSION))
        found += (upload for upload in page.uploads if upload.key.startswith(prefix))
        if page.next is None:
            return UploadList(found)
        parameters |= page.next
    return UploadList(found, is_complete=False)


def parse_upload_page(body: bytes) -> UploadPage:
    """Parse an answer that was asked for with ``encoding-type=url``.

    Raises ValueError for anything else, and for an upload without a key or a time.
    """
    root = parse_xml(body)
    if root.tag.rpartition("}")[2] != "ListMultipartUploadsResult":
        raise ValueError("no list of uploads")
    encoded = root.findtext("{*}EncodingType") == "url"
    uploads = [_upload(element, encoded=encoded) for element in root.iterfind("{*}Upload")]
    if not is_true(root.findtext("{*}IsTruncated")):
        return UploadPage(uploads, None)
    key, upload_id = _text(root, "NextKeyMarker", encoded=encoded), root.findtext("{*}NextUploadIdMarker") or ""
    key.encode()  # only UTF-8 can be asked for
    if not key:
        raise ValueError("truncated, without a marker")
    return UploadPage(uploads, {"key-marker": key, "upload-id-marker": upload_id})


def _upload(element: Element, *, encoded: bool) -> Upload:
    key, initiated = _text(element, "Key", encoded=encoded), element.findtext("{*}Initiated") or ""
    seconds = checked_time(initiated)
    if not key or seconds == UNKNOWN_TIME:
        raise ValueError("an upload without a key or a time")
    return Upload(key, seconds)


def _text(element: Element, name: str, *, encoded: bool) -> str:
    text = element.findtext(f"{{*}}{name}") or ""
    return unquote_plus(text, errors="surrogateescape") if encoded else text
