"""Put, list and remove objects of a real bucket through the vendors' SDKs, not through the program under test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

_AT_A_TIME = 16


class StoredVersion(NamedTuple):
    """One version of an object; a delete marker is one as well."""

    key: str
    version: str
    """Version id of S3, ``null`` without versioning; generation of Cloud Storage."""


class LiveBucket(Protocol):
    """A bucket of one of the clouds."""

    errors: tuple[type[Exception], ...]
    """What its calls raise."""

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Store objects by key."""

    def versions(self, prefix: str) -> Iterator[StoredVersion]:
        """Yield every version below a prefix."""

    def remove(self, versions: list[StoredVersion]) -> None:
        """Remove versions for good; those that are gone already do not matter."""


def open_bucket(location: str) -> tuple[LiveBucket, str]:
    """Return the bucket of ``s3://BUCKET/PREFIX/`` or ``gs://BUCKET/PREFIX/``, and the prefix."""
    parts = urlsplit(location)
    prefix = parts.path.lstrip("/")
    if parts.scheme == "s3":
        return _S3Bucket(parts.netloc), prefix
    if parts.scheme == "gs":
        return _GcsBucket(parts.netloc), prefix
    raise SystemExit(f"not a bucket: {location!r}; use s3://BUCKET/PREFIX/ or gs://BUCKET/PREFIX/")


class _S3Bucket:
    def __init__(self, name: str) -> None:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        self.errors: tuple[type[Exception], ...] = (BotoCoreError, ClientError)
        self._name = name
        self._client: Any = boto3.client("s3")

    def put(self, objects: Mapping[str, bytes]) -> None:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            calls = [
                pool.submit(self._client.put_object, Bucket=self._name, Key=key, Body=objects[key]) for key in objects
            ]
        for call in calls:
            call.result()

    def versions(self, prefix: str) -> Iterator[StoredVersion]:
        if not self._has_versions():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
                yield from (StoredVersion(found["Key"], "null") for found in page.get("Contents", ()))
            return
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._name, Prefix=prefix):
            for kind in ("Versions", "DeleteMarkers"):
                yield from (StoredVersion(found["Key"], found["VersionId"]) for found in page.get(kind, ()))

    def _has_versions(self) -> bool:
        return "Status" in self._client.get_bucket_versioning(Bucket=self._name)

    def remove(self, versions: list[StoredVersion]) -> None:
        def remove_one(each: StoredVersion) -> None:
            self._client.delete_object(Bucket=self._name, Key=each.key, VersionId=each.version)

        # One by one: DeleteObjects takes no key with a control character, which XML cannot hold.
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(remove_one, versions))


class _GcsBucket:
    def __init__(self, name: str) -> None:
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import storage

        self.errors: tuple[type[Exception], ...] = (GoogleAPIError, GoogleAuthError, OSError)
        self._bucket: Any = storage.Client().bucket(name)

    def put(self, objects: Mapping[str, bytes]) -> None:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(lambda key: self._bucket.blob(key).upload_from_string(objects[key]), objects))

    def versions(self, prefix: str) -> Iterator[StoredVersion]:
        for found in self._bucket.list_blobs(prefix=prefix, versions=True):
            yield StoredVersion(found.name, str(found.generation))

    def remove(self, versions: list[StoredVersion]) -> None:
        for each in versions:
            blob = self._bucket.blob(each.key, generation=int(each.version))
            self._bucket.delete_blobs([blob], on_error=lambda _: None, preserve_generation=True)
