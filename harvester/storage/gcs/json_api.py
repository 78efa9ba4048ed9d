"""Requests, list pages and errors of the JSON API of Google Cloud Storage.

Source: Cloud Storage JSON API reference, "Objects: list", "Objects: get", "HTTP status and error codes".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from harvester.causes import Cause
from harvester.sessions import GcsConnection
from harvester.storage.base import ObjectRef, RefusedObject
from harvester.storage.http import Response
from harvester.storage.page_checks import INVALID_KEY, INVALID_SIZE, ParsedPage, checked_size, checked_time
from harvester.storage.service_errors import ServiceError, answered

_FIELDS = "name,size,generation,timeCreated,storageClass"


class GcsRequests:
    """Makes the requests to one bucket."""

    def __init__(self, connection: GcsConnection) -> None:
        """Carry the connection's token."""
        self._objects = f"{connection.endpoint}/storage/v1/b/{quote(connection.bucket, safe='')}/o"
        self._upload = f"{connection.endpoint}/upload/storage/v1/b/{quote(connection.bucket, safe='')}/o"
        self._headers: list[str] = []
        if connection.token is not None:
            self._headers.append(f"Authorization: Bearer {connection.token}")
        if connection.user_project is not None:
            self._headers.append(f"x-goog-user-project: {connection.user_project}")
        # Else an object stored with Content-Encoding gzip would come decompressed, and match no checksum.
        self._media_headers = [*self._headers, "Accept-Encoding: gzip"]

    def media(self, key: str, *, start: int = 0, generation: str = "") -> tuple[str, list[str]]:
        """Return URL and header lines of a GET of the stored bytes, from byte ``start`` of that ``generation``."""
        url = f"{self._objects}/{quote(key, safe='')}?alt=media"
        if start:
            return f"{url}&ifGenerationMatch={generation}", [*self._media_headers, f"Range: bytes={start}-"]
        return url, self._media_headers

    def describe(self, key: str) -> tuple[str, list[str]]:
        """Return URL and header lines of a GET of the object's metadata."""
        return f"{self._objects}/{quote(key, safe='')}?fields={_FIELDS},kmsKeyName", self._headers

    def listing(self, parameters: Mapping[str, str]) -> tuple[str, list[str]]:
        """Return URL and header lines of a list request."""
        fields = f"nextPageToken,items({_FIELDS})"
        return f"{self._objects}?{urlencode({**parameters, 'fields': fields})}", self._headers

    def put(self, key: str) -> tuple[str, list[str]]:
        """Return URL and header lines of an upload."""
        url = f"{self._upload}?{urlencode({'uploadType': 'media', 'name': key})}"
        return url, [*self._headers, "Content-Type: application/octet-stream", "Expect:"]


def parse_gcs_page(body: bytes) -> ParsedPage:
    """Parse a list answer. Raises ValueError for anything else."""
    match _json(body):
        case {"error": _}:
            raise ValueError("no list page but an error")
        case dict(document):
            entries, token = document.get("items", []), document.get("nextPageToken", "")
        case _:
            raise ValueError("no list page")
    match entries, token:
        case list(), str():
            pass
        case _:
            raise ValueError("a list page whose items are no list, or whose token is no text")
    objects: list[ObjectRef] = []
    refused: list[RefusedObject] = []
    for entry in entries:
        found = parse_object(entry)
        if isinstance(found, ObjectRef):
            objects.append(found)
        else:
            refused.append(found)
    return ParsedPage(objects, refused, token or None, bool(token))


def parse_gcs_folders(body: bytes) -> list[str]:
    """Return the ``prefixes`` of a list answer with a delimiter; none for anything else."""
    try:
        match _json(body):
            case {"prefixes": list(prefixes)}:
                return [prefix for prefix in prefixes if isinstance(prefix, str)]
    except ValueError:
        pass
    return []


def _json(body: bytes) -> Any:
    """Decode JSON; also with lone surrogates, which the stricter decoder refuses. Raises ValueError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    try:
        found = _json(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def parse_object(entry: object) -> ObjectRef | RefusedObject:
    """Return the object a resource of the JSON API describes, or why it is none."""
    if not isinstance(entry, dict) or not isinstance(key := entry.get("name"), str) or not key:
        return RefusedObject("", INVALID_KEY)
    if not key.isascii():
        # Half a surrogate pair of a JSON escape is kept as the bytes it has, as everything that is not UTF-8 is.
        key = key.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    size = checked_size(str(entry.get("size", "")))
    if size is None:
        return RefusedObject(key, INVALID_SIZE)
    return ObjectRef(
        key,
        size,
        str(entry.get("generation", "")),
        checked_time(str(entry.get("timeCreated", ""))),
        str(entry.get("storageClass", "")),
    )


def service_error_from(response: Response, operation: str, *, anonymous: bool) -> ServiceError:
    """Return what an answer of 300 and above to ``operation`` means."""
    reason, message = _error(response.body)
    status = response.status
    request_id = response.headers.get("x-guploader-uploadid", "")
    error = answered(operation, status, reason, message, request_id, expired=status == 401 and not anonymous)
    return error.with_cause(Cause.OBJECT_DENIED) if status == 401 and anonymous else error


def _error(body: bytes) -> tuple[str, str]:
    """Return reason and message of an error document; empty for a body that is none, as media answers have."""
    error = parse_json_object(body).get("error")
    if not isinstance(error, dict):
        return "", ""
    match error.get("errors"):
        case [{"reason": str(reason)}, *_]:
            pass
        case _:
            reason = ""
    message = error.get("message", "")
    return reason, message if isinstance(message, str) else ""
