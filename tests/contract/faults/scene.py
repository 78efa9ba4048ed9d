"""A bucket behind a proxy that breaks things, and the object that a fault is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.retry import RetryPolicy
from harvester.storage.base import FetchFailure, FetchResult, ObjectRef, Store
from scripts.servers.fault_proxy import Fault, FaultProxy, Rule, Status
from tests.contract.fetching import fetch_all

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

QUICK = RetryPolicy(attempts=3, seconds=20, base_delay=0.01, max_delay=0.1, connect_seconds=2, stall_seconds=1)
BODY = b"the body of the object, long enough to be cut in half"
BIG = 300_000
KMS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@dataclass
class Scene:
    """A bucket behind the proxy, with one object that a fault is for and others that must not notice."""

    store: Store
    proxy: FaultProxy
    s3: S3Client
    bucket: str
    spool: Path

    def put(self, key: str, body: bytes = BODY) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def refs(self) -> list[ObjectRef]:
        return [ref for page in self.store.list_pages() for ref in page.objects]

    def fetch(self, fault: Fault, *, times: int | None = None, spool_from: int = 1 << 22) -> FetchResult:
        """Fetch with ``fault`` on the GETs of the key ``target``; checks that all others came through."""
        refs = self.refs()
        self.proxy.add(Rule(fault, path="/target$", method="GET", times=times))
        done = fetch_all(self.store, refs, self.spool, spool_from=spool_from)
        for key, fetched in done.items():
            if key != "target":
                assert fetched.body == BODY
        return done["target"]

    def leftovers(self) -> list[Path]:
        return list(self.spool.iterdir())


def failure_of(fetched: FetchResult) -> FetchFailure:
    assert fetched.failure is not None
    assert fetched.body is None
    assert fetched.spool is None
    return fetched.failure


EXPIRED = Status(400, "ExpiredToken", "The provided token has expired.")
