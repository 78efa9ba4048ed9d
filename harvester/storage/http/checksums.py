"""What a store states about an object's bytes as a whole, and whether the bytes received are those."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

ETAG_MD5 = "md5 (the ETag)"
"""Name of the checksum that is an ETag read as an MD5 digest."""
_MD5_ETAG = re.compile(r"[0-9a-f]{32}").fullmatch


class Checksum(Protocol):
    """A stated checksum that the body is compared with as it arrives."""

    name: str

    def update(self, data: bytes) -> None:
        """Take the next bytes."""

    def mismatch(self) -> str:
        """Return what differs, empty when the bytes are the stated ones."""


class _Digest:
    """A cryptographic hash of hashlib."""

    def __init__(self, name: str, stated: bytes, algorithm: str = "") -> None:
        self.name = name
        self._stated = stated
        # The constructors take a third of the time of ``hashlib.new``.
        self._hash = getattr(hashlib, algorithm or name)(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def mismatch(self) -> str:
        return _difference(self.name, self._stated, self._hash.digest())


class _Cyclic:
    """A cyclic redundancy check."""

    def __init__(self, name: str, stated: bytes, step: Callable[[bytes, int], int]) -> None:
        self.name = name
        self._stated = stated
        self._step = step
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._step(data, self._value)

    def mismatch(self) -> str:
        return _difference(self.name, self._stated, self._value.to_bytes(len(self._stated), "big"))


class _Several:
    """Several of them, all of which must agree."""

    def __init__(self, checksums: Sequence[Checksum]) -> None:
        self.name = " and ".join(each.name for each in checksums)
        self._checksums = checksums

    def update(self, data: bytes) -> None:
        for each in self._checksums:
            each.update(data)

    def mismatch(self) -> str:
        return "; ".join(filter(None, (each.mismatch() for each in self._checksums)))


def _together(checksums: Sequence[Checksum]) -> Checksum | None:
    if len(checksums) < 2:
        return checksums[0] if checksums else None
    return _Several(checksums)


def _difference(name: str, stated: bytes, computed: bytes) -> str:
    return "" if stated == computed else f"{name} is {computed.hex()}, the store states {stated.hex()}"


def stated_by_s3(headers: Mapping[str, str], *, etag_is_md5: bool = True) -> Checksum | None:
    """Return every whole-object checksum among an S3 answer's headers as one, None when it states none.

    A composite checksum (``-N``, or type COMPOSITE) is one of part checksums and covers no bytes. An ETag is the MD5
    only of a single-part object without KMS or customer keys (Amazon S3 API Reference, Object), and not on every
    compatible store: it counts only where the answer states no other checksum, and ``etag_is_md5``.
    """
    found: list[Checksum] = []
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT":
        for header, (name, width) in _S3_CHECKSUMS.items():
            if header in headers and (stated := _decode(headers[header], width)) is not None:
                found.append(_checksum(name, stated))
    encrypted = (
        headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
        or "x-amz-server-side-encryption-customer-algorithm" in headers
    )
    etag = headers.get("etag", "").strip('"')
    if not found and etag_is_md5 and not encrypted and _MD5_ETAG(etag):
        return _Digest(ETAG_MD5, bytes.fromhex(etag), algorithm="md5")
    return _together(found)


_S3_CHECKSUMS = {
    f"x-amz-checksum-{name}": (name, width)
    for name, width in {"crc64nvme": 8, "crc32c": 4, "crc32": 4, "sha256": 32, "sha1": 20}.items()
}


def unread_checksums(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the checksum headers of an answer that cannot be read: they count as absent."""
    if _CHECKSUM_HEADERS.isdisjoint(headers):
        return ()
    return tuple(sorted(name for name in _CHECKSUM_HEADERS & headers.keys() if not _is_readable(name, headers[name])))


_CHECKSUM_HEADERS = frozenset({*_S3_CHECKSUMS, "x-goog-hash"})


def _is_readable(header: str, text: str) -> bool:
    if header in _S3_CHECKSUMS:
        # A hyphen is that of a composite checksum, which covers parts.
        return "-" in text or _decode(text, _S3_CHECKSUMS[header][1]) is not None
    widths = {"crc32c": 4, "md5": 16}
    parts = (part.strip().partition("=") for part in text.split(","))
    return all(name not in widths or _decode(value, widths[name]) is not None for name, _, value in parts)


def stated_by_gcs(headers: Mapping[str, str]) -> Checksum | None:
    """Return the checksums a GCS media answer states as one, None without any or when the bytes are not those stored.

    ``x-goog-hash`` is of the stored bytes; an answer decompressed or compressed in transfer has others.
    """
    stored = headers.get("x-goog-stored-content-encoding")
    if stored is not None and stored != headers.get("content-encoding", "identity"):
        return None
    hashes = dict(part.strip().partition("=")[::2] for part in headers.get("x-goog-hash", "").split(","))
    found = ((name, _decode(hashes.get(name, ""), width)) for name, width in (("crc32c", 4), ("md5", 16)))
    return _together([_checksum(name, stated) for name, stated in found if stated is not None])


def _decode(text: str, width: int) -> bytes | None:
    """Return the bytes of a base64 checksum of ``width`` bytes, None for anything else."""
    if not text or "-" in text:
        return None
    try:
        stated = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return stated if len(stated) == width else None


def _checksum(name: str, stated: bytes) -> Checksum:
    match name:
        case "crc32":
            return _Cyclic(name, stated, zlib.crc32)
        case "crc32c" | "crc64nvme":
            # Loaded when the first object needs it: it weighs some megabytes in every worker.
            from awscrt import checksums

            return _Cyclic(name, stated, getattr(checksums, name))
        case _:
            return _Digest(name, stated)
