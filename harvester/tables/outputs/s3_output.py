"""An output in S3: conditional writes (``If-None-Match: *``) make every file appear once and whole.

Source: Amazon S3 User Guide, "Conditional writes"; PutObject and CompleteMultipartUpload take the condition.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from harvester.causes import Cause
from harvester.location import Location
from harvester.retry import backoff_delay
from harvester.sessions import Login, S3Session, StoreSettings
from harvester.storage import AwsClients, ServiceError, ask, harvester_error, unanswered

_UPLOAD_SECONDS: Final = 300
PIECE_BYTES: Final = 64 * 1024**2
"""A longer file is uploaded in pieces of this size."""
COPY_BYTES: Final = 5 * 1024**3
"""A longer object is copied in pieces of this size: the limit of CopyObject and UploadPartCopy."""
_EXISTS: Final = 412
# A write of the same key in progress: "409 ConditionalRequestConflict", to be tried again.
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_ATTEMPTS: Final = 8
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 4.0


def _read_body(body: Any) -> dict[str, bytes]:
    return {"content": body.read()}


class S3Output:
    """Objects below one prefix."""

    def __init__(self, location: Location, settings: StoreSettings, scratch: Path) -> None:
        """Resolve credentials. Raises ConfigurationError."""
        self._location = location
        self._scratch = scratch
        self._login = Login("", settings.profile)
        upload_settings = replace(settings, retry=settings.retry._replace(stall_seconds=_UPLOAD_SECONDS))
        self._session = S3Session(location.bucket, settings)
        self._client: Any = AwsClients(upload_settings, read_seconds=_UPLOAD_SECONDS).s3

    @property
    def url(self) -> str:
        """The location without a slash at its end."""
        return self._location.url.rstrip("/")

    def names(self, prefix: str) -> Iterator[str]:
        """List the objects under a prefix."""
        token: dict[str, str] = {}
        while True:
            page = self._value(
                self._client.list_objects_v2, Bucket=self._location.bucket, Prefix=self._location.key(prefix), **token
            )
            for entry in page.get("Contents", ()):
                yield self._location.relative(self._stated(entry, "Key"))
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": self._stated(page, "NextContinuationToken")}
            if following == token:
                raise self._unusable("the same continuation token twice")
            token = following

    def read(self, name: str) -> bytes | None:
        """Return an object."""
        result = ask(self._client.get_object, **self._object(name))
        if result.error is not None and result.error.status == _NOT_FOUND:
            return None
        if result.value is None:
            raise self._error(result.error)
        return self._content(result.value)

    def size(self, name: str) -> int:
        """Return the bytes of an object."""
        return int(self._stated(self._value(self._client.head_object, **self._object(name)), "ContentLength"))

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return some bytes of an object."""
        asked = {"Range": f"bytes={start}-{stop - 1}", **self._object(name)}
        return self._content(self._value(self._client.get_object, **asked))

    def create(self, name: str, content: bytes) -> bool:
        """Put an object unless one is there."""
        return self._conditionally(
            lambda: ask(self._client.put_object, Body=content, IfNoneMatch="*", **self._object(name))
        )

    def publish(self, file: Path, name: str) -> bool:
        """Put a file of any size unless an object is there; the file is removed."""
        try:
            if file.stat().st_size > PIECE_BYTES:
                return self._upload(file, name)
            return self.create(name, file.read_bytes())
        finally:
            file.unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        """Return whether there is an object."""
        result = ask(self._client.head_object, **self._object(name))
        if result.error is not None and result.error.status != _NOT_FOUND:
            raise self._error(result.error)
        return result.error is None

    def copy(self, source: str, target: str) -> None:
        """Copy an object within S3, of any size."""
        found, made = self._object(source), self._object(target)
        size = self.size(source)
        if size <= COPY_BYTES:
            self._value(self._client.copy_object, CopySource=found, **made)
            return

        def copy_piece(upload: str, number: int) -> str | None:
            start = (number - 1) * COPY_BYTES
            if start >= size:
                return None
            last = min(start + COPY_BYTES, size) - 1
            piece = {"UploadId": upload, "PartNumber": number, "CopySourceRange": f"bytes={start}-{last}"}
            answer = self._value(self._client.upload_part_copy, CopySource=found, **piece, **made)
            tag: str = self._stated(answer.get("CopyPartResult", {}), "ETag")
            return tag

        self._in_pieces(target, copy_piece)

    def remove(self, name: str) -> None:
        """Delete an object."""
        result = ask(self._client.delete_object, **self._object(name))
        if result.error is not None:
            raise self._error(result.error)

    def scratch(self) -> Path:
        """Return a path in a temporary folder of this machine."""
        return self._scratch / secrets.token_hex(8)

    def delta_options(self) -> dict[str, str]:
        """Return address and credentials as our session resolves them, valid now."""
        connection = self._session.connection()
        endpoint, _, bucket = connection.base_url.rpartition("/")
        by_path = bucket == self._location.bucket
        credentials = connection.credentials
        options = {
            "aws_access_key_id": credentials.access_key,
            "aws_secret_access_key": credentials.secret_key,
            "aws_region": connection.region,
            "aws_endpoint": endpoint if by_path else connection.base_url,
            "aws_virtual_hosted_style_request": "false" if by_path else "true",
            "aws_conditional_put": "etag",
            "allow_http": str(connection.base_url.startswith("http:")).lower(),
        }
        if credentials.token:
            options["aws_session_token"] = credentials.token
        return options

    def _upload(self, file: Path, name: str) -> bool:
        """Upload in pieces; the object appears with the last request."""
        target = self._object(name)
        with file.open("rb") as source:

            def put_piece(upload: str, number: int) -> str | None:
                source.seek((number - 1) * PIECE_BYTES)
                body = source.read(PIECE_BYTES)
                if not body:
                    return None
                piece = {"UploadId": upload, "PartNumber": number, "Body": body}
                tag: str = self._stated(self._value(self._client.upload_part, **piece, **target), "ETag")
                return tag

            return self._in_pieces(name, put_piece)

    def _in_pieces(self, name: str, put_piece: Callable[[str, int], str | None]) -> bool:
        """Create an object of pieces; return False if it exists. ``put_piece`` returns a tag, or None behind the last.

        Source: CompleteMultipartUpload, "On a 409 failure you should re-initiate the multipart upload".
        """
        target = self._object(name)

        def attempt() -> Any:
            upload = self._stated(self._value(self._client.create_multipart_upload, **target), "UploadId")
            result = None
            try:
                parts: list[dict[str, object]] = []
                while (tag := put_piece(upload, len(parts) + 1)) is not None:
                    parts.append({"PartNumber": len(parts) + 1, "ETag": tag})
                pieces = {"UploadId": upload, "MultipartUpload": {"Parts": parts}}
                result = ask(self._client.complete_multipart_upload, IfNoneMatch="*", **pieces, **target)
            finally:
                if result is None or result.error is not None:
                    ask(self._client.abort_multipart_upload, UploadId=upload, **target)
            return result

        return self._conditionally(attempt)

    def _conditionally(self, request: Callable[[], Any]) -> bool:
        """Send a conditional write; return False if the object exists."""
        attempt = 0
        while True:
            attempt += 1
            result = request()
            if result.error is None:
                return True
            if result.error.status == _EXISTS:
                return False
            if result.error.status != _CONFLICT or attempt == _ATTEMPTS:
                raise self._error(result.error)
            time.sleep(backoff_delay(attempt, _FIRST_DELAY, _LONGEST_DELAY))

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._location.bucket, "Key": self._location.key(name)}

    def _value(self, call: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
        result = ask(call, **parameters)
        if result.value is None:
            raise self._error(result.error)
        return result.value

    def _content(self, answer: dict[str, Any]) -> bytes:
        """Read the body of an answer; a connection that breaks meanwhile is an error of the store."""
        content: bytes = self._value(_read_body, body=answer["Body"])["content"]
        return content

    def _stated(self, answer: Mapping[str, Any], name: str) -> Any:
        """Return a field of an answer. Raises ConnectionFailed where a store leaves it out."""
        value = answer.get(name)
        if value is None:
            raise self._unusable(f"an answer without {name}")
        return value

    def _unusable(self, detail: str) -> Exception:
        return self._error(unanswered(Cause.SERVER_ERROR, "UnusableAnswer", detail, retryable=False))

    def _error(self, error: ServiceError | None) -> Exception:
        assert error is not None  # noqa: S101  # a call without a value has an error
        return harvester_error("the export", error, url=self.url, login=self._login)
