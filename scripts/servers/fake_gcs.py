"""The part of Google Cloud Storage's JSON API this program uses, with what the emulator lacks.

Paging by byte order, startOffset and endOffset, generations and their preconditions, decompressive transcoding of
objects stored with ``Content-Encoding: gzip``, ``x-goog-hash`` and the other media headers, tokens that expire.
Source: Cloud Storage documentation, "JSON API", "Transcoding of gzip-compressed files", "HTTP headers".
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import formatdate
from urllib.parse import unquote

import google_crc32c

from scripts.servers.gcs_discovery import request_fault
from scripts.servers.loopback_server import Answer, LoopbackServer, Request


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object."""

    name: str
    body: bytes
    generation: int
    created: float
    content_type: str = "application/octet-stream"
    content_encoding: str = ""
    kms_key: str = ""

    def resource(self, bucket: str) -> dict[str, str]:
        moment = datetime.fromtimestamp(self.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        found = {
            "kind": "storage#object",
            "bucket": bucket,
            "name": self.name,
            "size": str(len(self.body)),
            "generation": str(self.generation),
            "metageneration": "1",
            "timeCreated": moment,
            "updated": moment,
            "storageClass": "STANDARD",
            "contentType": self.content_type,
            "md5Hash": base64.b64encode(hashlib.md5(self.body).digest()).decode(),
            "crc32c": base64.b64encode(google_crc32c.value(self.body).to_bytes(4, "big")).decode(),
        }
        if self.content_encoding:
            found["contentEncoding"] = self.content_encoding
        if self.kms_key:
            found["kmsKeyName"] = self.kms_key
        return found


class FakeGcs(LoopbackServer):
    """A GCS of our own; use ``url`` as STORAGE_EMULATOR_HOST, or before it a FaultProxy."""

    def __init__(self) -> None:
        super().__init__(self.respond)
        self._buckets: dict[str, dict[str, StoredObject]] = {}
        self._buckets_lock = threading.Lock()
        # Held from a precondition to the write that it allows.
        self._uploads_lock = threading.Lock()
        self._sessions: dict[str, ResumableUpload] = {}
        self._generations = itertools.count(1_700_000_000_000_000)
        self.tokens: set[str] | None = None
        """Bearer tokens that are good; None to ask for none."""

    def create_bucket(self, name: str) -> None:
        with self._buckets_lock:
            self._buckets[name] = {}

    def put(self, bucket: str, name: str, body: bytes, content_encoding: str = "", kms_key: str = "") -> StoredObject:
        """Store an object, as a new generation."""
        stored = StoredObject(
            name,
            body,
            next(self._generations),
            time.time(),
            content_encoding=content_encoding,
            kms_key=kms_key,
        )
        with self._buckets_lock:
            self._buckets[bucket][name] = stored
        return stored

    def delete(self, bucket: str, name: str) -> None:
        with self._buckets_lock:
            del self._buckets[bucket][name]

    def respond(self, request: Request) -> Answer:
        """Answer a request; also usable as the upstream of a FaultProxy."""
        if (
            self.tokens is not None
            and request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens
        ):
            return _error(401, "authError", "Invalid Credentials")
        path = request.target.partition("?")[0]
        if request.method == "PUT" and "upload_id" in request.query:
            return self._continue_upload(request)
        if fault := request_fault(request):
            return _error(400, "invalid", fault)
        found = re.fullmatch(r"(?:/(upload|download))?/storage/v1/b/([^/]+)(?:/o(?:/(.*))?)?", path)
        if found is None:
            return _error(404, "notFound", "Not Found")
        bucket = unquote(found[2])
        with self._buckets_lock:
            objects = self._buckets.get(bucket)
            snapshot = None if objects is None else dict(objects)
        if snapshot is None:
            return _error(404, "notFound", "The specified bucket does not exist.")
        if found[3] is None:
            if path.endswith("/o"):
                return self._upload(bucket, request) if request.method == "POST" else _list(bucket, snapshot, request)
            return _json({"kind": "storage#bucket", "name": bucket, "location": "EU", "storageClass": "STANDARD"})
        return self._answer_about_object(bucket, found[3], snapshot, request)

    def _answer_about_object(
        self, bucket: str, path: str, objects: dict[str, StoredObject], request: Request
    ) -> Answer:
        rewritten = re.fullmatch(r"([^/]+)/rewriteTo/b/([^/]+)/o/([^/]+)", path)
        name = unquote(rewritten[1] if rewritten else path)
        stored = objects.get(name)
        if stored is None:
            return _error(404, "notFound", f"No such object: {bucket}/{name}")
        if request.method == "DELETE":
            self.delete(bucket, name)
            return Answer(204)
        if rewritten:
            target, copied = unquote(rewritten[2]), self.put(unquote(rewritten[2]), unquote(rewritten[3]), stored.body)
            size = str(len(stored.body))
            document = {"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size}
            return _json({**document, "done": True, "resource": copied.resource(target)})
        wanted = request.query.get("ifGenerationMatch")
        if wanted is not None and wanted != str(stored.generation):
            return _CONDITION_NOT_MET
        if request.query.get("alt") == "media":
            return _media(stored, request)
        return _json(stored.resource(bucket))

    def _upload(self, bucket: str, request: Request) -> Answer:
        wanted = request.query.get("ifGenerationMatch")
        if request.query.get("uploadType") == "resumable":
            resource = json.loads(request.body)
            session = ResumableUpload(bucket, request.query.get("name", resource.get("name")), wanted)
            if not self._allowed(session):
                return _CONDITION_NOT_MET
            with self._uploads_lock:
                identity = f"upload-{len(self._sessions)}"
                self._sessions[identity] = session
            path = request.target.partition("?")[0]
            host = request.headers["host"]
            return Answer(200, headers={"location": f"http://{host}{path}?uploadType=resumable&upload_id={identity}"})
        name, body = uploaded(request)
        return self._finish(ResumableUpload(bucket, name, wanted, bytearray(body)))

    def _continue_upload(self, request: Request) -> Answer:
        """Take a chunk of a resumable upload: ``Content-Range: bytes FIRST-LAST/TOTAL``, where TOTAL may be ``*``."""
        session = self._sessions.get(request.query["upload_id"])
        sent = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("content-range", ""))
        if session is None or sent is None:
            return _error(404, "notFound", "No such upload")
        if sent[1] is not None:
            if int(sent[1]) != len(session.body):
                return _error(400, "invalid", "The chunk does not follow the one before")
            session.body += request.body
        if sent[3] == str(len(session.body)):
            return self._finish(session)
        return Answer(308, headers={"range": f"bytes=0-{len(session.body) - 1}"} if session.body else {})

    def _allowed(self, upload: ResumableUpload) -> bool:
        with self._buckets_lock:
            present = self._buckets[upload.bucket].get(upload.name)
        return upload.wanted in (None, str(present.generation if present else 0))

    def _finish(self, upload: ResumableUpload) -> Answer:
        with self._uploads_lock:
            if not self._allowed(upload):
                return _CONDITION_NOT_MET
            stored = self.put(upload.bucket, upload.name, bytes(upload.body))
        return _json(stored.resource(upload.bucket))


@dataclass(slots=True)
class ResumableUpload:
    """An upload in chunks; its precondition holds when it begins and when it ends."""

    bucket: str
    name: str
    wanted: str | None
    body: bytearray = field(default_factory=bytearray)


def uploaded(request: Request) -> tuple[str, bytes]:
    """Return name and body of an upload: the body alone, or behind its resource in a multipart/related one."""
    if request.query.get("uploadType") != "multipart":
        return request.query["name"], request.body
    head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
    resource, media = message_from_bytes(head + request.body, policy=policy.HTTP).iter_parts()
    content = media.get_payload(decode=True)
    assert isinstance(content, bytes)
    return json.loads(resource.get_content())["name"], content


def _list(bucket: str, objects: dict[str, StoredObject], request: Request) -> Answer:
    query = request.query
    start = max(query.get("startOffset", ""), query.get("pageToken", ""))
    end = query.get("endOffset")
    limit = min(1000, int(query.get("maxResults", "1000")))
    names = sorted(
        name
        for name in objects
        if name.startswith(query.get("prefix", "")) and name >= start and (end is None or name < end)
    )
    page: dict[str, object] = {"kind": "storage#objects"}
    if delimiter := query.get("delimiter"):
        parent = len(query.get("prefix", ""))
        below = [name for name in names if delimiter in name[parent:]]
        names = [name for name in names if name not in below]
        page["prefixes"] = sorted({name[: name.index(delimiter, parent) + 1] for name in below})
    if names:
        page["items"] = [objects[name].resource(bucket) for name in names[:limit]]
    if len(names) > limit:
        page["nextPageToken"] = names[limit]
    return _json(page)


def _media(stored: StoredObject, request: Request) -> Answer:
    resource = stored.resource("")
    headers = {
        "content-type": stored.content_type,
        "last-modified": formatdate(stored.created, usegmt=True),
        "etag": f'"{resource["md5Hash"]}"',
        "x-goog-generation": str(stored.generation),
        "x-goog-stored-content-encoding": stored.content_encoding or "identity",
        "x-goog-stored-content-length": str(len(stored.body)),
        "x-goog-hash": f"crc32c={resource['crc32c']},md5={resource['md5Hash']}",
        "x-guploader-uploadid": "FAKE",
    }
    if stored.content_encoding == "gzip" and "gzip" not in request.headers.get("accept-encoding", ""):
        return Answer(
            200,
            gzip.decompress(stored.body),
            {**headers, "warning": "214 UploadServer gunzipped"},
            chunked=True,
        )
    if stored.content_encoding:
        headers["content-encoding"] = stored.content_encoding
    part = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if part is None:
        return Answer(200, stored.body, headers)
    start = int(part[1])
    if start >= len(stored.body):
        return _error(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
    last = min(int(part[2] or len(stored.body)), len(stored.body) - 1)
    headers["content-range"] = f"bytes {start}-{last}/{len(stored.body)}"
    return Answer(206, stored.body[start : last + 1], headers)


def _json(document: object) -> Answer:
    return Answer(200, json.dumps(document).encode(), {"content-type": "application/json; charset=UTF-8"})


def _error(status: int, reason: str, message: str) -> Answer:
    error = {
        "code": status,
        "message": message,
        "errors": [{"domain": "global", "reason": reason, "message": message}],
    }
    return Answer(status, json.dumps({"error": error}).encode(), {"content-type": "application/json"})


_CONDITION_NOT_MET = _error(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
