"""An output in S3: conditional writes (``If-None-Match: *``) make every file appear once and whole.

Source: Amazon S3 User Guide, "Conditional writes"; PutObject and CompleteMultipartUpload take the condition.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from harvester.location import Location
from harvester.retry import backoff_delay
from harvester.sessions import Login, S3Session, StoreSettings
from harvester.storage import AwsClients, ServiceError, ask, harvester_error

_UPLOAD_SECONDS: Final = 300
PIECE_BYTES: Final = 64 * 1024**2
"""A longer file is uploaded in pieces of this size."""
"""A longer file is uploaded in pieces of this size."""
_EXISTS: Final = 412
# A write of the same key in progress: "409 ConditionalRequestConflict", to be tried again.
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_ATTEMPTS: Final = 8
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 4.0


class S3Output:
    """Objects below one prefix."""

    def __init__(self, location: Location, settings: StoreSettings, scratch: Path) -> None:
        """Resolve credentials. Raises ConfigurationError."""
        self._location = location
        self._scratch = scratch
        self._login = Login("", settings.profile)
        upload_settings = replace(settings, retry=replace(settings.retry, stall_seconds=_UPLOAD_SECONDS))
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
                yield self._location.relative(entry["Key"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def read(self, name: str) -> bytes | None:
        """Return an object."""
        result = ask(self._client.get_object, **self._object(name))
        if result.error is not None and result.error.status == _NOT_FOUND:
            return None
        if result.value is None:
            raise self._error(result.error)
        content: bytes = result.value["Body"].read()
        return content

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
        upload = self._value(self._client.create_multipart_upload, **target)["UploadId"]
        try:
            parts: list[dict[str, object]] = []
            with file.open("rb") as source:
                while piece := source.read(PIECE_BYTES):
                    number = len(parts) + 1
                    answer = self._value(
                        self._client.upload_part, UploadId=upload, PartNumber=number, Body=piece, **target
                    )
                    parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            created = self._conditionally(
                lambda: ask(
                    self._client.complete_multipart_upload,
                    UploadId=upload,
                    MultipartUpload={"Parts": parts},
                    IfNoneMatch="*",
                    **target,
                )
            )
        except BaseException:
            ask(self._client.abort_multipart_upload, UploadId=upload, **target)
            raise
        if not created:
            ask(self._client.abort_multipart_upload, UploadId=upload, **target)
        return created

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

    def _error(self, error: ServiceError | None) -> Exception:
        assert error is not None  # noqa: S101  # a call without a value has an error
        return harvester_error("the export", error, url=self.url, login=self._login)
