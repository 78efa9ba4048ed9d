"""What networks and stores do to one object among many, and the one outcome each must have: data for tests and docs.

All cases are met in one run of few attempts (``OPTIONS``), so that each also shows that it harms nothing else.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from scripts.servers.fault_proxy import (
    Call,
    Fault,
    FlippedByte,
    HalfBody,
    Headers,
    Reset,
    Rule,
    ShortBody,
    Stall,
    Status,
    Upstream,
)
from scripts.servers.loopback_server import Answer, Request

RETRIES = 2
OPTIONS = ("--retries", str(RETRIES), "--stall-timeout", "1s")
BODY = b'{"url": "https://www.example.com/", "task_id": "t", "status": "success", "data": {}, "status_code": 200}'
REPLACED = BODY.replace(b'"t"', b'"replaced"')


@dataclass(frozen=True, slots=True)
class FaultCase:
    """One fault on one object."""

    name: str
    """What happens."""
    faults: tuple[tuple[str, Fault], ...]
    """Method (empty for any) and what is done to its requests."""
    outcome: Literal["landed", "failed"]
    """What becomes of the object."""
    reason: str = ""
    """The cause of ``failed``."""
    times: int | None = None
    """How often the fault acts; None for always."""
    content: bytes = BODY
    """What must lie in the destination when it lands."""
    gets: int = field(default=RETRIES + 1)
    """The most GETs the object may cost."""

    @property
    def key(self) -> str:
        """The object's key below the prefix."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name) + ".json"

    def rules(self) -> list[Rule]:
        """Return the proxy's rules for it."""
        return [Rule(fault, path=f"/{self.key}$", method=method, times=self.times) for method, fault in self.faults]


def _passing(name: str, fault: Fault, times: int = 1) -> FaultCase:
    return FaultCase(name, (("GET", fault),), "landed", times=times)


def _lasting(name: str, reason: str, *faults: tuple[str, Fault], gets: int = RETRIES + 1) -> FaultCase:
    return FaultCase(name, faults, "failed", reason, gets=gets)


def _stating(name: str, reason: str = "", **headers: str) -> FaultCase:
    stated = {header.replace("_", "-"): value for header, value in headers.items()}
    # moto states a CRC32 too, and there would be two.
    edited = Headers(set=stated, remove=("x-amz-checksum-crc32", "x-amz-checksum-type"))
    return FaultCase(name, (("GET", edited),), "failed" if reason else "landed", reason)


def _wrong(width: int) -> str:
    return base64.b64encode(bytes(width)).decode()


_CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()


def _document(code: str, message: str = "") -> Status:
    return Status(403, code, message)


_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
_KMS_MESSAGE = (
    f"User: arn:aws:iam::111122223333:user/u is not authorized to perform: kms:Decrypt on resource: {_KEY}"
    " because no identity-based policy allows the kms:Decrypt action"
)
_DENIED = _document("AccessDenied", "Access Denied")
_ENCRYPTED = Headers(
    set={"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": _KEY}
)

ALWAYS_HARMLESS = "no fault"
FAULTS = (
    _passing("503 SlowDown once", Status(503, "SlowDown")),
    _passing("503 SlowDown twice", Status(503, "SlowDown"), times=2),
    _passing("503 with Retry-After", Status(503, "SlowDown", headers={"retry-after": "1"})),
    _passing("500 once", Status(500, "InternalError")),
    _passing("429 once", Status(429)),
    _passing("connection reset once", Reset()),
    _passing("connection reset in the body once", Reset(after_bytes=20)),
    _passing("half a body once", HalfBody()),
    _passing("no byte for longer than the timeout once", Stall()),
    _passing("stall within the body once", Stall(after_bytes=20)),
    _passing("a flipped byte once", FlippedByte(at=30)),
    _passing("a short body once", ShortBody()),
    _lasting("503 SlowDown for ever", "throttled", ("GET", Status(503, "SlowDown"))),
    _lasting("500 for ever", "server_error", ("GET", Status(500, "InternalError"))),
    # curl itself asks again, five times, when a connection it has kept turns out to be dead.
    _lasting("connection reset for ever", "network", ("GET", Reset()), gets=(RETRIES + 1) * 6),
    _lasting("half a body for ever", "network", ("GET", HalfBody())),
    _lasting("stall for ever", "timeout", ("GET", Stall(after_bytes=20))),
    _lasting("a flipped byte for ever", "integrity", ("GET", FlippedByte(at=30))),
    _lasting("a short body for ever", "integrity", ("GET", ShortBody())),
    _lasting("an empty body for ever", "integrity", ("GET", ShortBody(by=len(BODY)))),
    _lasting("403 AccessDenied", "object_denied", ("", _DENIED), gets=1),
    _lasting("403, readable but for its key", "kms_denied", ("GET", _DENIED), ("HEAD", _ENCRYPTED), gets=1),
    _lasting("403 that names kms-Decrypt", "kms_denied", ("", _document("AccessDenied", _KMS_MESSAGE)), gets=1),
    _lasting("403 InvalidObjectState", "archived", ("", _document("InvalidObjectState")), gets=1),
    _lasting("404 NoSuchKey", "gone", ("", Status(404, "NoSuchKey")), gets=1),
    _lasting("403 SignatureDoesNotMatch", "credentials", ("", _document("SignatureDoesNotMatch")), gets=1),
    _lasting("404 NoSuchBucket", "no_bucket", ("", Status(404, "NoSuchBucket")), gets=1),
    _lasting("400 without a word", "refused", ("", Status(400)), gets=1),
    _stating("a wrong CRC32", "integrity", x_amz_checksum_crc32=_wrong(4)),
    _stating("a wrong CRC32C", "integrity", x_amz_checksum_crc32c=_wrong(4)),
    _stating("a wrong CRC64NVME", "integrity", x_amz_checksum_crc64nvme=_wrong(8)),
    _stating("a wrong SHA-1", "integrity", x_amz_checksum_sha1=_wrong(20)),
    _stating("a wrong SHA-256", "integrity", x_amz_checksum_sha256=_wrong(32)),
    _stating("a wrong MD5 as ETag", "integrity", etag='"' + "0" * 32 + '"'),
    _stating("a right CRC32", x_amz_checksum_crc32=_CRC32),
    _stating(
        "a right CRC32 and a wrong SHA-256", "integrity", x_amz_checksum_crc32=_CRC32, x_amz_checksum_sha256=_wrong(32)
    ),
    # Beside another checksum an ETag of this form need not be an MD5; the other decides.
    _stating("a right CRC32 and an ETag of another kind", x_amz_checksum_crc32=_CRC32, etag='"' + "0" * 32 + '"'),
    _stating("a composite checksum", x_amz_checksum_crc32="AAAAAA==-2", x_amz_checksum_type="COMPOSITE"),
    _stating("an ETag of several parts", etag='"' + "0" * 32 + '-2"'),
    _stating("an ETag under KMS", etag='"' + "0" * 32 + '"', x_amz_server_side_encryption="aws:kms"),
    FaultCase(ALWAYS_HARMLESS, (), "landed", gets=1),
)
"""Cases that need nothing but the proxy."""


def changing(change: Callable[[str], None], name: str) -> Fault:
    """Return a fault that changes the object in the bucket before its GET is passed on."""

    def apply(request: Request, upstream: Upstream) -> Answer:
        change(name)
        return upstream(request)

    return Call(apply)
