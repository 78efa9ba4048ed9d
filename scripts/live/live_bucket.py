"""Put, list and remove objects of a real bucket through the vendors' SDKs, not through the program under test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from urllib.parse import urlsplit

_AT_A_TIME = 16


class LiveBucket(Protocol):
    """A bucket of one of the clouds."""

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Store objects by key."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key below a prefix."""

    def remove(self, keys: list[str]) -> None:
        """Remove objects; those that are gone already do not matter."""


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

        self._name = name
        self._client: Any = boto3.client("s3")

    def put(self, objects: Mapping[str, bytes]) -> None:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            calls = [
                pool.submit(self._client.put_object, Bucket=self._name, Key=key, Body=objects[key]) for key in objects
            ]
        for call in calls:
            call.result()

    def keys(self, prefix: str) -> Iterator[str]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix):
            yield from (found["Key"] for found in page.get("Contents", ()))

    def remove(self, keys: list[str]) -> None:
        # One by one: DeleteObjects takes no key with a control character, which XML cannot hold.
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(lambda key: self._client.delete_object(Bucket=self._name, Key=key), keys))


class _GcsBucket:
    def __init__(self, name: str) -> None:
        from google.cloud import storage

        self._bucket: Any = storage.Client().bucket(name)

    def put(self, objects: Mapping[str, bytes]) -> None:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(lambda key: self._bucket.blob(key).upload_from_string(objects[key]), objects))

    def keys(self, prefix: str) -> Iterator[str]:
        yield from (found.name for found in self._bucket.list_blobs(prefix=prefix))

    def remove(self, keys: list[str]) -> None:
        for key in keys:
            self._bucket.delete_blobs([self._bucket.blob(key)], on_error=lambda _: None)
