"""As much of S3 as a sync asks for, from a dictionary: for tests that want thousands of objects and a server that dies.

Path-style; it lists in byte order, 1,000 keys a page, and checks nothing. moto stands for S3 where S3's own behaviour
is the point. As ``python -m scripts.servers.memory_s3 COUNT SEED`` it serves that many results in the bucket
``bucket``.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import sys
import threading
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from scripts.servers.loopback_server import Answer, LoopbackServer, Request

_PAGE = 1000


class MemoryS3(LoopbackServer):
    """Serves ``objects``: keys of the one bucket, whatever it is called, to bodies.

    Its clock is ``seconds_ahead`` of this machine's.
    """

    def __init__(self, objects: dict[str, bytes], seconds_ahead: float = 0.0) -> None:
        super().__init__(self.respond)
        self._seconds_ahead = seconds_ahead
        self._lock_objects = threading.Lock()
        self._objects: dict[str, tuple[bytes, float]] = {}
        self.uploads: dict[str, float] | None = {}
        """Uploads in progress: keys, and when they began; None for a store that does not list them."""
        for key, body in objects.items():
            self.put(key, body)

    def put(self, key: str, body: bytes, modified: float | None = None) -> None:
        """Store an object, replacing what is there; an upload in several parts is modified when it began."""
        with self._lock_objects:
            self._objects[key] = (body, self._now() if modified is None else modified)

    def _now(self) -> float:
        return time.time() + self._seconds_ahead

    def etag(self, key: str) -> str:
        """Return an object's ETag, without quotes."""
        with self._lock_objects:
            return _etag(self._objects[key][0])

    def respond(self, request: Request) -> Answer:
        """Answer a request; also usable as the upstream of a FaultProxy."""
        answer = self._answer(request)
        return replace(answer, headers={**answer.headers, "date": formatdate(self._now(), usegmt=True)})

    def _answer(self, request: Request) -> Answer:
        path = request.target.partition("?")[0]
        key = unquote(path.lstrip("/").partition("/")[2])
        with self._lock_objects:
            objects = self._objects
            if not key and "uploads" in request.query:
                return _list_uploads(self.uploads, request.query["prefix"])
            if not key:
                return _list(objects, request) if "list-type" in request.query else Answer(200)
            found = objects.get(key)
        if found is None:
            return Answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        body, modified = found
        headers = {"etag": f'"{_etag(body)}"', "last-modified": formatdate(modified, usegmt=True)}
        return Answer(200, body, headers)


def _etag(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def _list(objects: dict[str, tuple[bytes, float]], request: Request) -> Answer:
    query = request.query
    after = max(query.get("start-after", ""), query.get("continuation-token", ""))
    keys = sorted(key for key in objects if key.startswith(query.get("prefix", "")) and key > after)
    page = keys[: min(_PAGE, int(query.get("max-keys", _PAGE)))]
    contents = "".join(_entry(key, *objects[key]) for key in page)
    truncated = len(page) < len(keys)
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if truncated else ""
    document = (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<EncodingType>url</EncodingType><IsTruncated>{str(truncated).lower()}</IsTruncated>"
        f"{token}{contents}</ListBucketResult>"
    )
    return Answer(200, document.encode(), {"content-type": "application/xml"})


def _list_uploads(uploads: dict[str, float] | None, prefix: str) -> Answer:
    if uploads is None:
        return Answer(501, b"<Error><Code>NotImplemented</Code></Error>", {"x-amz-request-id": "R1"})
    entries = "".join(
        f"<Upload><Key>{quote(key, safe='/')}</Key><Initiated>{_moment(began)}</Initiated></Upload>"
        for key, began in sorted(uploads.items())
        if key.startswith(prefix)
    )
    return Answer(
        200,
        f"<ListMultipartUploadsResult><EncodingType>url</EncodingType>{entries}</ListMultipartUploadsResult>".encode(),
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _entry(key: str, body: bytes, modified: float) -> str:
    return (
        f"<Contents><Key>{quote(key, safe='/')}</Key><LastModified>{_moment(modified)}</LastModified>"
        f"<ETag>&quot;{_etag(body)}&quot;</ETag><Size>{len(body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def results(count: int, seed: int, prefix: str = "r/") -> dict[str, bytes]:
    """Return so many results as Nimble delivers them: most of them compressed, some of several hundred kilobytes."""
    source = random.Random(seed)
    found = {}
    for number in range(count):
        task_id = str(uuid.UUID(int=source.getrandbits(128), version=4))
        html = "".join(source.choices("<p>abc é</p> ", k=300)) * (source.choice((1, 1, 1, 1, 300)))
        body = json.dumps(
            {
                "url": f"https://www.example.com/{number}",
                "task_id": task_id,
                "status": "success",
                "data": {"html": html},
                "status_code": 200,
            }
        ).encode()
        if number % 4:
            found[f"{prefix}{task_id}.json.gz"] = gzip.compress(body, 1, mtime=0)
        else:
            found[f"{prefix}{task_id}.json"] = body
    return found


def spoiled(objects: dict[str, bytes], every: int = 40) -> dict[str, bytes]:
    """Return the objects with one in so many cut off, of those that are compressed."""
    packed = [key for key in objects if key.endswith(".gz")][::every]
    return objects | {key: objects[key][:-9] for key in packed}


def landed(objects: dict[str, bytes], prefix: str = "r/") -> dict[str, bytes]:
    """Return the tree these results must become."""
    return {
        key.removeprefix(prefix).removesuffix(".gz"): gzip.decompress(body) if key.endswith(".gz") else body
        for key, body in objects.items()
    }


def main() -> None:
    count, seed = map(int, sys.argv[1:])
    with MemoryS3(spoiled(results(count, seed))) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
