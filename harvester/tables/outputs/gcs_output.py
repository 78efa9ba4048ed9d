"""An output in Google Cloud Storage: the precondition ``ifGenerationMatch=0`` makes every file appear once and whole.

Source: Cloud Storage documentation, "Request preconditions".
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location
from harvester.sessions import GOOGLE_LOGIN, GoogleSession, StoreSettings
from harvester.storage import GcsCalls, ServiceError, harvester_error

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

_UPLOAD_SECONDS: Final = 300
_OCTETS: Final = "application/octet-stream"
_EXISTS: Final = 412
_NOT_FOUND: Final = 404


class _ThreadCalls(threading.local):
    """The calls of the thread that asks: the library's client is for one thread."""

    def __init__(self, bucket: str, settings: StoreSettings) -> None:
        """Ask for no credentials yet; each thread runs this on its first use."""
        retry = settings.retry._replace(stall_seconds=_UPLOAD_SECONDS)
        self.calls = GcsCalls(bucket, GoogleSession(bucket, settings), retry)


class GcsOutput:
    """Objects below one prefix; safe for several threads."""

    def __init__(self, location: Location, settings: StoreSettings, scratch: Path) -> None:
        """Ask for no credentials yet."""
        self._location = location
        self._scratch = scratch
        self._of_thread = _ThreadCalls(location.bucket, settings)

    @property
    def _calls(self) -> GcsCalls:
        return self._of_thread.calls

    @property
    def url(self) -> str:
        """The location without a slash at its end."""
        return self._location.url.rstrip("/")

    def names(self, prefix: str) -> Iterator[str]:
        """List the objects under a prefix."""
        key = self._location.key(prefix)
        calls = self._calls
        result = calls.call(
            "storage.objects.list",
            lambda bucket: [
                blob.name for blob in bucket.list_blobs(prefix=key, retry=calls.retry, timeout=calls.timeout)
            ],
        )
        if result.value is None:
            raise self._error(result.error)
        return map(self._location.relative, result.value)

    def read(self, name: str) -> bytes | None:
        """Return an object."""
        key = self._location.key(name)
        calls = self._calls
        result = calls.call(
            "storage.objects.get",
            lambda bucket: bucket.blob(key).download_as_bytes(retry=calls.retry, timeout=calls.timeout),
        )
        if result.error is not None and result.error.status == _NOT_FOUND:
            return None
        if result.value is None:
            raise self._error(result.error)
        return bytes(result.value)

    def size(self, name: str) -> int:
        """Return the bytes of an object."""
        key, calls = self._location.key(name), self._calls

        def reload(bucket: Bucket) -> int:
            blob = bucket.blob(key)
            blob.reload(retry=calls.retry, timeout=calls.timeout)
            return int(blob.size or 0)

        result = calls.call("storage.objects.get", reload)
        if result.value is None:
            raise self._error(result.error)
        return result.value

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return some bytes of an object."""
        key, calls = self._location.key(name), self._calls
        result = calls.call(
            "storage.objects.get",
            lambda bucket: bucket.blob(key).download_as_bytes(
                start=start, end=stop - 1, retry=calls.retry, timeout=calls.timeout
            ),
        )
        if result.value is None:
            raise self._error(result.error)
        return bytes(result.value)

    def create(self, name: str, content: bytes) -> bool:
        """Create an object unless one is there."""
        return self._create(
            name,
            lambda blob, options: blob.upload_from_string(content, content_type=_OCTETS, **options),
        )

    def publish(self, file: Path, name: str) -> bool:
        """Upload a file of any size unless an object is there; the file is removed."""
        try:
            return self._create(
                name, lambda blob, options: blob.upload_from_filename(str(file), content_type=_OCTETS, **options)
            )
        finally:
            file.unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        """Return whether there is an object."""
        key, calls = self._location.key(name), self._calls
        result = calls.call(
            "storage.objects.get", lambda bucket: bucket.blob(key).exists(retry=calls.retry, timeout=calls.timeout)
        )
        if result.value is None:
            raise self._error(result.error)
        return bool(result.value)

    def copy(self, source: str, target: str) -> None:
        """Copy an object within Cloud Storage, of any size."""
        calls = self._calls
        key, copied = self._location.key(source), self._location.key(target)

        def rewrite(bucket: Bucket) -> bool:
            token = None
            while True:
                token, _, _ = bucket.blob(copied).rewrite(
                    bucket.blob(key), token=token, retry=calls.retry, timeout=calls.timeout
                )
                if token is None:
                    return True

        result = calls.call("storage.objects.rewrite", rewrite)
        if result.value is None:
            raise self._error(result.error)

    def remove(self, name: str) -> None:
        """Delete an object."""
        key, calls = self._location.key(name), self._calls
        result = calls.call(
            "storage.objects.delete", lambda bucket: bucket.blob(key).delete(retry=calls.retry, timeout=calls.timeout)
        )
        if result.error is not None and result.error.status != _NOT_FOUND:
            raise self._error(result.error)

    def scratch(self) -> Path:
        """Return a path in a temporary folder of this machine."""
        return self._scratch / secrets.token_hex(8)

    def delta_options(self) -> dict[str, str]:
        """Raise UsageError: Delta tables are written to directories and S3."""
        raise UsageError(
            f"Delta tables cannot be written to {self.url}",
            cause="Delta tables are written to directories and s3://",
            code=ErrorCode.EXPORT_OUTPUT_UNSUPPORTED,
            subject=self.url,
        )

    def _create(self, name: str, upload: Callable[[Any, dict[str, Any]], None]) -> bool:
        """Upload under a name; return False if an object is there."""
        key = self._location.key(name)
        # The precondition makes an upload safe to be tried again.
        options = {"if_generation_match": 0, "retry": self._calls.retry, "timeout": self._calls.timeout}
        result = self._calls.call("storage.objects.insert", lambda bucket: upload(bucket.blob(key), options))
        if result.error is None:
            return True
        if result.error.status == _EXISTS:
            return False
        raise self._error(result.error)

    def _error(self, error: ServiceError | None) -> Exception:
        assert error is not None  # noqa: S101  # a call without a value has an error
        if error.status == _NOT_FOUND:
            # No call about an object that may be absent comes here.
            error = error.with_cause(Cause.NO_BUCKET)
        return harvester_error("the export", error, url=self.url, login=GOOGLE_LOGIN)
