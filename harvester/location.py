"""Places: ``s3://bucket/prefix/``, ``gs://bucket/prefix/``, ``file:///directory/``."""

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.text import is_utf8, masked

Scheme = Literal["s3", "gs", "file"]

# The patterns are compiled on first use: a run needs few of them.
# An access point's ARN or alias is a legal bucket argument of S3, so only what no cloud accepts is refused.
_S3_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z"
_S3_LEGACY_BUCKET = r"[A-Za-z0-9._-]{3,255}\Z"
_GS_BUCKET = r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]\Z"
_OTHER_SCHEMES = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}
"""Schemes that other programs use for the same stores."""
_ARN = r"arn:aws[a-z-]*:s3:::([^/*]+)(?:/([^*]*))?\**\Z"
# Source: Amazon S3 User Guide, "Virtual hosting of buckets"; Cloud Storage documentation, "Request endpoints".
_URLS = (
    ("s3", r"https?://([^/]+)\.s3[.-](?:[a-z0-9.-]+\.)?amazonaws\.com(?:\.cn)?(?:/([^?#]*))?"),
    ("s3", r"https?://s3[.-](?:[a-z0-9.-]+\.)?amazonaws\.com(?:\.cn)?/([^/?#]+)(?:/([^?#]*))?"),
    ("s3", r"https?://[^/]*console\.aws\.amazon\.com/s3/buckets/([^/?#]+)(?:.*[?&]prefix=([^&#]*))?"),
    ("gs", r"https?://storage\.(?:cloud\.google|googleapis)\.com/([^/?#]+)(?:/([^?#]*))?"),
    ("gs", r"https?://([^/]+)\.storage\.googleapis\.com(?:/([^?#]*))?"),
    ("gs", r"https?://console\.cloud\.google\.com/storage/browser/([^/?#;]+)(?:/([^?#;]*))?"),
)
"""The URLs of a bucket, of its objects and of the pages of the consoles."""
_IPV4 = r"\d+\.\d+\.\d+\.\d+\Z"
_QUOTES = "\"'`“”„‟‘’‚‛«»"
"""Quotation marks; a shell leaves those of web pages and word processors in place."""


class Location(NamedTuple):
    """A bucket and a prefix in it, or a directory.

    A prefix is a folder: it ends in ``/`` or is empty, and is otherwise kept to the letter, ``//`` included,
    because a key is bytes and not a path.
    """

    scheme: Scheme
    """``s3``, ``gs`` or ``file``."""
    bucket: str
    """The bucket's name; empty for ``file``."""
    prefix: str
    """What every key starts with: empty, or ending in ``/``. For ``file``: the absolute directory."""

    @property
    def url(self) -> str:
        """The location as a person writes it."""
        return f"{self.scheme}://{self.bucket}{'/' if self.bucket else ''}{self.prefix}"

    def relative(self, key: str) -> str:
        """Return ``key`` below the prefix; the key must start with the prefix."""
        return key[len(self.prefix) :]

    def key(self, relative: str) -> str:
        """Return the whole key of a name below the prefix."""
        return self.prefix + relative

    def above(self) -> Self:
        """Return the folder that holds this one: the last segment of the prefix left out."""
        folder, separator, _ = self.prefix.rstrip("/").rpartition("/")
        return self._replace(prefix=folder + separator)

    def split_glob(self) -> tuple[Self, str]:
        """Return the folder before the first name with a ``*``, and the rest as a glob below it; empty without one."""
        if "*" not in self.prefix:
            return self, ""
        before = self.prefix.partition("*")[0]
        folder = before[: before.rfind("/") + 1]
        return self._replace(prefix=folder), self.prefix[len(folder) :].rstrip("/")

    def __str__(self) -> str:
        """Return the URL."""
        return self.url


def parse_location(text: str) -> Location:
    """Parse a location as given on a command line.

    Raises UsageError for an unknown scheme or a bucket name that cannot be.
    """
    if text != text.strip() and text.strip()[:5].lower() in ("s3://", "gs://"):
        raise UsageError(
            f"white space at the {'end' if text == text.lstrip() else 'beginning'} of the location {text!r}",
            cause="a folder whose name ends in it is written with a slash behind it",
            code=ErrorCode.LOCATION_WITH_SPACE,
            subject=text,
            parameters={"meant": text.strip()},
        )
    if not is_utf8(text):
        raise UsageError(f"a location that is not UTF-8: {text!r}", cause="keys are UTF-8", subject=text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise UsageError(
            f"not a location: {text!r}",
            cause="a location starts with s3://, gs:// or file://",
            code=ErrorCode.LOCATION_WITHOUT_SCHEME,
            subject=text,
            parameters=_meant(text),
        )
    match scheme.lower():
        case "s3":
            return _bucket_location("s3", text, rest)
        case "gs":
            return _bucket_location("gs", text, rest)
        case "file":
            return _directory_location(text, rest)
        case other:
            named = _OTHER_SCHEMES.get(other)
            meant = f"{named}://{rest}" if named is not None else _bucket_of_url(text) or _unquoted(text)
            raise UsageError(
                f"unknown scheme in {text!r}",
                cause="known are s3:// (AWS and S3-compatible), gs:// (Google Cloud Storage) and file://",
                code=ErrorCode.SCHEME_UNKNOWN,
                subject=text,
                parameters={"meant": meant} if meant else {},
            )


def _bucket_of_url(text: str) -> str:
    """Return the location that the URL of a bucket or of a page about it denotes; empty for another URL."""
    for scheme, pattern in _URLS:
        if found := re.match(pattern, text):
            return f"{scheme}://{found[1]}/{unquote(found[2] or '')}"
    return ""


def _unquoted(text: str) -> str:
    """Return the location between quotation marks; empty where there is none."""
    bare = text.strip().strip(_QUOTES)
    return bare if bare.lower().startswith(("s3://", "gs://", "file://")) else ""


def _meant(text: str) -> dict[str, object]:
    """Return the locations that a text without a scheme may denote."""
    if found := re.match(_ARN, text):
        return {"meant": f"s3://{found[1]}/{found[2] or ''}"}
    half = re.match(r"(?i)(?:(s3|gs)(?::/*|/+)|file:/)(.*)", text)
    if half is not None:
        return {"meant": f"{half[1].lower()}://{half[2] or 'BUCKET'}" if half[1] else f"file:///{half[2]}"}
    # Unlike Path.expanduser, this one leaves the text as it is where there is no home directory.
    path = os.path.expanduser(text)  # noqa: PTH111
    try:
        path = str(Path(path).absolute())
    except FileNotFoundError:
        path = f"/{path.lstrip('/')}"  # the current directory has been removed
    directory: dict[str, object] = {"directory": f"file://{path}"}
    return directory if text.startswith((".", "/", "~")) else {"bucket": f"s3://{text or 'BUCKET'}", **directory}


def _bucket_location(scheme: Literal["s3", "gs"], text: str, rest: str) -> Location:
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise UsageError(
            f"no bucket in {text!r}", code=ErrorCode.NO_BUCKET_NAMED, subject=text, parameters={"scheme": scheme}
        )
    if bucket.startswith("arn:"):
        raise UsageError(
            f"an ARN is no bucket's name: {text!r}",
            cause="an access point is named by its alias, which ends in -s3alias",
            code=ErrorCode.ACCESS_POINT_ARN,
            subject=text,
        )
    if scheme == "s3":
        possible = bool(re.match(_S3_BUCKET, bucket) or re.match(_S3_LEGACY_BUCKET, bucket)) and not re.match(
            _IPV4, bucket
        )
    else:
        possible = bool(re.match(_GS_BUCKET, bucket))
    if not possible:
        # A user and a password before the name are not echoed.
        bucket = masked(f"{scheme}://{bucket}").partition("://")[2]
        raise UsageError(
            f"no bucket can be named {bucket!r}",
            cause="3 to 63 lower-case letters, digits, dots and hyphens, starting and ending with a letter or digit",
            code=ErrorCode.BUCKET_NAME_INVALID,
            subject=bucket,
        )
    if "\x00" in prefix:
        raise UsageError(f"a NUL character in {text!r}", cause="no key can hold one")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    if len(prefix.encode("utf-8", "surrogatepass")) > 1024:
        raise UsageError("the prefix is longer than any key can be", cause="keys hold at most 1,024 bytes")
    return Location(scheme, bucket, prefix)


def _directory_location(text: str, rest: str) -> Location:
    if not rest.startswith("/"):
        raise UsageError(
            f"not an absolute directory: {text!r}",
            cause="file:// is followed by an absolute path",
            # file://tmp/x is more often /tmp/x with a slash too few than x in a folder tmp here.
            code=ErrorCode.DIRECTORY_NOT_ABSOLUTE,
            subject=text,
            parameters={"meant": [f"file:///{rest}", f"file://{Path(rest or '.').absolute()}"]},
        )
    return Location("file", "", str(Path(rest)).rstrip("/") + "/")
