"""The validating constructor of everything that a bucket event announces. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_plus

from harvester.storage import UNKNOWN_TIME, checked_time

_LARGEST_SIZE = 2**63 - 1
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html; the same limit at Cloud Storage.
_LONGEST_KEY = 1024
_LONGEST_BUCKET = 255
# Only what can be compared with an ETag of the store, and sent in a header.
_ETAG = re.compile(r"[!#-~]{1,256}").fullmatch
_DIGITS = re.compile(r"[0-9]{1,19}").fullmatch


class InvalidEvent(ValueError):
    """An event that cannot be used; the text contains nothing of the event."""


class AnnouncedObject(NamedTuple):
    """One object that a message announces."""

    bucket: str
    """The bucket."""
    key: str
    """The exact key."""
    etag: str
    """Identity of the version announced (S3: ETag, GCS: generation); empty if not in the message."""
    size: int | None
    """Length in bytes; None if not in the message."""
    at: float
    """When it was created, seconds since the epoch; 0 if not in the message."""
    written_key: str = ""
    """The key as the message writes it, if that is another valid key: Ceph does not encode keys."""
    ambiguous: bool = False
    """Whether ``key`` and ``written_key`` are equally likely."""


def form_encoded_object(
    bucket: object, key: object, *, etag: object, size: object, time: object, ambiguous: bool = False
) -> AnnouncedObject:
    """Return an object whose key is form-encoded: a space as +, other bytes as %XX. Raises InvalidEvent."""
    written = _text(key, "key")
    try:
        decoded = unquote_plus(written, errors="strict")
    except UnicodeDecodeError:
        if not ambiguous:
            raise InvalidEvent("its key is not UTF-8") from None
        decoded = written
    found = exact_object(bucket, decoded, etag=etag, size=size, time=time)
    if written == decoded or len(written) > _LONGEST_KEY:
        return found
    return found._replace(written_key=written, ambiguous=ambiguous)


def exact_object(bucket: object, key: object, *, etag: object, size: object, time: object) -> AnnouncedObject:
    """Return an object whose key is not encoded. Raises InvalidEvent."""
    name, exact = _text(bucket, "bucket name"), _text(key, "key")
    if len(name) > _LONGEST_BUCKET or len(exact.encode()) > _LONGEST_KEY:
        raise InvalidEvent("its bucket name or key is too long")
    return AnnouncedObject(name, exact, _etag(etag), _size(size), _moment(time))


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidEvent(f"an event in it has no {what}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidEvent(f"the {what} of an event in it is not Unicode text") from None
    return value


def _etag(value: object) -> str:
    """Return the identity without quotes; empty for one that no store sends, so that the store is asked."""
    identity = value.strip('"') if isinstance(value, str) else ""
    return identity if _ETAG(identity) else ""


def _size(value: object) -> int | None:
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and _DIGITS(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _LARGEST_SIZE:
        raise InvalidEvent("the size of an object in it is not a number from 0 to 2^63 - 1")
    return number


def _moment(value: object) -> float:
    return checked_time(value) if isinstance(value, str) else UNKNOWN_TIME
