"""An S3 whose answers to one kind of request are a test's own: listings, bodies and errors beyond what S3 permits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from scripts.servers.loopback_server import Answer, LoopbackServer, Request

Hostile = Callable[[Request], Answer | None]
"""The answer to a request, None for the honest one."""


class HostileS3(LoopbackServer):
    """Serves ``objects`` of any bucket by path; ``hostile`` answers first."""

    def __init__(self, objects: Mapping[str, bytes], hostile: Hostile = lambda _: None) -> None:
        super().__init__(self.respond)
        self.objects = dict(objects)
        self.hostile = hostile

    def respond(self, request: Request) -> Answer:
        """Answer a request."""
        answer = self.hostile(request)
        if answer is not None:
            return answer
        if is_listing(request):
            prefix, after = request.query.get("prefix", ""), request.query.get("start-after", "")
            keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
            return Answer(200, list_page(entry(key, self.objects[key]) for key in keys))
        key = key_of(request)
        if key not in self.objects:
            return Answer(404, error_document("NoSuchKey"))
        return Answer(200, self.objects[key], {"etag": f'"{md5(self.objects[key])}"'})


def is_listing(request: Request) -> bool:
    """Return whether a request lists the bucket."""
    return request.method == "GET" and "prefix" in request.query


def key_of(request: Request) -> str:
    """Return the key a request names."""
    return unquote(request.target.partition("?")[0].lstrip("/").partition("/")[2])


def md5(body: bytes) -> str:
    """Return the ETag S3 gives a body stored in one part."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def result(number: int, padding: int = 0) -> bytes:
    """Return a valid result."""
    data = {"html": f"<p>{number}</p>" + "x" * padding}
    return json.dumps({"task_id": f"t-{number}", "url": "https://e.com", "status": "success", "data": data}).encode()


def results(count: int, prefix: str = "r/") -> dict[str, bytes]:
    """Return objects with valid results."""
    return {f"{prefix}{number:05d}.json": result(number) for number in range(count)}


def entry(key: str, body: bytes = b"", *, size: int | str | None = None, etag: str | None = None) -> str:
    """Return one entry of a list page."""
    length = len(body) if size is None else size
    quoted = quote(key, safe="/", errors="surrogateescape")
    return (
        f"<Contents><Key>{quoted}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{md5(body) if etag is None else etag}&quot;</ETag><Size>{length}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def list_page(entries: Iterable[str], token: str | None = None, *, truncated: bool | None = None) -> bytes:
    """Return a list page."""
    more = token is not None if truncated is None else truncated
    following = "" if token is None else f"<NextContinuationToken>{escape(token)}</NextContinuationToken>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>b</Name><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{following}{''.join(entries)}</ListBucketResult>"
    ).encode()


def reversed_pages(objects: Mapping[str, bytes]) -> Hostile:
    """List in falling order, 1,000 keys a page."""

    def list_reversed(request: Request) -> Answer | None:
        if not is_listing(request):
            return None
        after = request.query.get("start-after", "")
        start = 0
        if token := request.query.get("continuation-token"):
            after, _, place = token.rpartition("|")
            start = int(place)
        keys = sorted((key for key in objects if key > after), reverse=True)
        page = keys[start : start + 1000]
        following = f"{after}|{start + 1000}" if start + 1000 < len(keys) else None
        return Answer(200, list_page((entry(key, objects[key]) for key in page), following))

    return list_reversed


def error_document(code: str, message: str = "") -> bytes:
    """Return an error document."""
    return f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()
