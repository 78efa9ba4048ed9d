"""The single requests of a connection test, each with its result, for S3 and Google Cloud Storage.

The probes send requests and return results; they decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location
from harvester.sessions import GoogleSession, StoreSettings
from harvester.storage.service_errors import CallResult, ServiceError

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One request of a connection test and its result."""

    operation: str
    """The operation's name as the cloud has it: ``HeadBucket``, ``PutObject`` …"""
    target: str
    """What it was asked of: the bucket, or the URL of prefix or object."""
    milliseconds: float
    """How long it took, retries included."""
    request_id: str
    """The store's id of the request; empty where there was no answer."""
    error: ServiceError | None
    """Why it failed; None on success."""
    region: str = ""
    """The bucket's region, where the answer names it."""
    keys: tuple[str, ...] = ()
    """The keys a listing found, in order."""
    size: int = 0
    """How many bytes were read."""
    encryption: str = ""
    """What a written or read object is encrypted with: ``AES256``, ``aws:kms``; empty where it is not stated."""
    key: str = ""
    """The KMS key it is encrypted with."""


class Prober(Protocol):
    """Sends probes to one bucket; errors are in `ProbeResult.error`.

    Every method raises ConfigurationError without credentials, or with an expired login.
    """

    @property
    def region(self) -> str:
        """The region requests go to by configuration; empty where clouds have none."""

    def head_bucket(self) -> ProbeResult:
        """Ask whether the bucket is there and may be listed."""

    def list_objects(self, prefix: str, limit: int) -> ProbeResult:
        """List at most ``limit`` keys under the prefix."""

    def list_prefixes(self, parent: str) -> ProbeResult:
        """List the prefixes directly under ``parent``, in `ProbeResult.keys`: at most a page of them."""

    def put_empty(self, key: str) -> ProbeResult:
        """Write an empty object, replacing one that is there."""

    def read(self, key: str, *, first_byte: bool) -> ProbeResult:
        """Read an object, or its first byte alone."""

    def begin_and_abort_upload(self, key: str) -> tuple[ProbeResult, ...]:
        """Begin an upload in parts, and abort it: one answer each, the second only after a first one that worked."""


class S3Prober(Prober):
    """Asks a bucket of S3."""

    def __init__(self, bucket: str, settings: StoreSettings) -> None:
        """Raises ConfigurationError for a missing profile or missing credentials."""
        from harvester.storage.s3 import AwsClients, ask

        self._bucket = bucket
        self._settings = settings
        self._clients = AwsClients(settings)
        self._ask = ask

    @property
    def region(self) -> str:
        """See Prober.region."""
        return self._clients.region

    def head_bucket(self) -> ProbeResult:
        """See Prober.head_bucket."""
        answer = self._ask(self._clients.s3.head_bucket, Bucket=self._bucket)
        return _probe_result("HeadBucket", self._bucket, answer)

    def head_bucket_of_anyone(self) -> ProbeResult:
        """Ask like `head_bucket` for any owner: distinguishes a wrong owner from a denial."""
        clients = type(self._clients)(replace(self._settings, expected_bucket_owner=None))
        return _probe_result("HeadBucket", self._bucket, self._ask(clients.s3.head_bucket, Bucket=self._bucket))

    def find_among_own(self) -> tuple[ProbeResult, bool]:
        """Search the bucket among those of the credentials' own account; takes s3:ListAllMyBuckets."""
        answer = self._ask(self._clients.s3.list_buckets, Prefix=self._bucket)
        names = {str(each.get("Name")) for each in (answer.value or {}).get("Buckets", ())}
        return _probe_result("ListBuckets", self._bucket, answer), self._bucket in names

    def list_objects(self, prefix: str, limit: int) -> ProbeResult:
        """See Prober.list_objects."""
        answer = self._ask(self._clients.s3.list_objects_v2, Bucket=self._bucket, Prefix=prefix, MaxKeys=limit)
        keys = tuple(str(each.get("Key", "")) for each in (answer.value or {}).get("Contents", ()))
        return replace(_probe_result("ListObjectsV2", self._url(prefix), answer), keys=keys)

    def list_prefixes(self, parent: str) -> ProbeResult:
        """See Prober.list_prefixes."""
        answer = self._ask(self._clients.s3.list_objects_v2, Bucket=self._bucket, Prefix=parent, Delimiter="/")
        found = tuple(str(each.get("Prefix", "")) for each in (answer.value or {}).get("CommonPrefixes", ()))
        return replace(_probe_result("ListObjectsV2", self._url(parent), answer), keys=found)

    def put_empty(self, key: str) -> ProbeResult:
        """See Prober.put_empty."""
        answer = self._ask(self._clients.s3.put_object, Bucket=self._bucket, Key=key, Body=b"")
        return _probe_result("PutObject", self._url(key), answer)

    def read(self, key: str, *, first_byte: bool) -> ProbeResult:
        """See Prober.read."""
        parameters: dict[str, Any] = {"Range": "bytes=0-0"} if first_byte else {}
        client = self._clients.s3

        def get_object(**named: Any) -> dict[str, Any]:
            answer: dict[str, Any] = dict(client.get_object(**named))
            return answer | {"Size": len(answer.pop("Body").read())}

        answer = self._ask(get_object, Bucket=self._bucket, Key=key, **parameters)
        size = int((answer.value or {}).get("Size", 0))
        return replace(_probe_result("GetObject", self._url(key), answer), size=size)

    def begin_and_abort_upload(self, key: str) -> tuple[ProbeResult, ...]:
        """See Prober.begin_and_abort_upload."""
        begun = self._ask(self._clients.s3.create_multipart_upload, Bucket=self._bucket, Key=key)
        first = _probe_result("CreateMultipartUpload", self._url(key), begun)
        if begun.value is None:
            return (first,)
        upload = begun.value.get("UploadId", "")
        if not upload:
            return (first,)
        aborted = self._ask(self._clients.s3.abort_multipart_upload, Bucket=self._bucket, Key=key, UploadId=upload)
        return first, _probe_result("AbortMultipartUpload", self._url(key), aborted)

    def _url(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


class GcsProber(Prober):
    """Asks a bucket of Google Cloud Storage."""

    region = ""

    def __init__(self, bucket: str, settings: StoreSettings) -> None:
        """Ask for no credentials yet."""
        from harvester.storage.gcs import GcsCalls, settings_calls

        limited = settings_calls(settings)
        self._bucket = bucket
        self._calls = GcsCalls(bucket, GoogleSession(bucket, limited), limited.retry)

    def head_bucket(self) -> ProbeResult:
        """See Prober.head_bucket; takes storage.buckets.get."""
        from harvester.storage.gcs import bucket_resource

        answer = self._calls.call("buckets.get", lambda bucket: bucket_resource(self._calls, bucket))
        return _probe_result("buckets.get", self._bucket, answer)

    def test_permissions(self, permissions: tuple[str, ...]) -> tuple[ProbeResult, frozenset[str]]:
        """Ask which of these the caller has on the bucket; takes none."""
        calls = self._calls
        answer = calls.call(
            "buckets.testIamPermissions",
            lambda bucket: bucket.test_iam_permissions(list(permissions), retry=calls.retry, timeout=calls.timeout),
        )
        return _probe_result("buckets.testIamPermissions", self._bucket, answer), frozenset(answer.value or ())

    def list_objects(self, prefix: str, limit: int) -> ProbeResult:
        """See Prober.list_objects."""
        calls = self._calls

        def list_names(bucket: Bucket) -> tuple[str, ...]:
            found = bucket.list_blobs(prefix=prefix, max_results=limit, retry=calls.retry, timeout=calls.timeout)
            return tuple(str(blob.name) for blob in found)

        answer = calls.call("objects.list", list_names)
        return replace(_probe_result("objects.list", self._url(prefix), answer), keys=answer.value or ())

    def list_prefixes(self, parent: str) -> ProbeResult:
        """See Prober.list_prefixes."""
        calls = self._calls

        def list_names(bucket: Bucket) -> tuple[str, ...]:
            found = bucket.list_blobs(prefix=parent, delimiter="/", retry=calls.retry, timeout=calls.timeout)
            next(iter(found.pages), None)
            return tuple(sorted(str(each) for each in found.prefixes))

        answer = calls.call("objects.list", list_names)
        return replace(_probe_result("objects.list", self._url(parent), answer), keys=answer.value or ())

    def put_empty(self, key: str) -> ProbeResult:
        """See Prober.put_empty; replacing takes storage.objects.delete too."""
        from harvester.storage.gcs import upload

        answer = self._calls.call("objects.insert", lambda bucket: upload(self._calls, bucket, key, b""))
        return _probe_result("objects.insert", self._url(key), answer)

    def read(self, key: str, *, first_byte: bool) -> ProbeResult:
        """See Prober.read."""
        calls = self._calls

        def download(bucket: Bucket) -> int:
            body = bucket.blob(key).download_as_bytes(
                start=0 if first_byte else None,
                end=0 if first_byte else None,
                raw_download=True,
                checksum=None,
                retry=calls.retry,
                timeout=calls.timeout,
            )
            return len(body)

        answer = calls.call("objects.get", download)
        return replace(_probe_result("objects.get", self._url(key), answer), size=answer.value or 0)

    def begin_and_abort_upload(self, key: str) -> tuple[ProbeResult, ...]:  # noqa: ARG002  # the interface's
        """Do nothing: Cloud Storage's uploads in one request need no other permission."""
        return ()

    def _url(self, key: str) -> str:
        return f"gs://{self._bucket}/{key}"


def open_prober(location: Location, settings: StoreSettings) -> S3Prober | GcsProber:
    """Return the prober of a location. Raises UsageError for a directory, and what its class raises."""
    match location.scheme:
        case "s3":
            return S3Prober(location.bucket, settings)
        case "gs":
            return GcsProber(location.bucket, settings)
        case "file":
            raise UsageError(
                f"{location.url} is a directory",
                cause="a connection test asks a bucket",
                code=ErrorCode.BUCKET_REQUIRED,
                subject=location.url,
            )


def _probe_result(operation: str, target: str, answer: CallResult[_Value]) -> ProbeResult:
    value: Mapping[str, Any] = answer.value if isinstance(answer.value, dict) else {}
    return ProbeResult(
        operation,
        target,
        answer.milliseconds,
        answer.request_id,
        answer.error,
        answer.region,
        encryption=str(value.get("ServerSideEncryption") or ""),
        key=str(value.get("SSEKMSKeyId") or ""),
    )
