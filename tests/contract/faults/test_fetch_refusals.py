"""The fetcher when the store refuses an object or the credentials, and the cause it names."""

from __future__ import annotations

import os

import pytest

from harvester.causes import Cause
from harvester.errors import ExitCode
from harvester.sessions.connections import StoreSettings
from harvester.storage.base import StoreConnection
from harvester.storage.opening import open_fetcher, open_store
from scripts.servers.fault_proxy import Headers, OtherBody, Rule, Status
from tests.contract.faults.scene import BODY, EXPIRED, KMS_KEY, QUICK, Scene, failure_of
from tests.contract.fetching import drive, fetch_all

DENIED = Status(403, "AccessDenied", "Access Denied")


def test_an_object_that_is_denied_fails_at_once(scene: Scene) -> None:
    scene.proxy.add(Rule(Status(403), path="/target$", method="HEAD"))

    fetched = scene.fetch(DENIED)

    failure = failure_of(fetched)
    assert failure.cause is Cause.OBJECT_DENIED
    assert failure.code == "AccessDenied"
    assert failure.request_id == "FAULT"
    assert failure.cause.exit_code is ExitCode.ACCESS_DENIED
    assert fetched.attempts == 1


def test_a_kms_key_that_is_denied_is_named(scene: Scene) -> None:
    encrypted = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": KMS_KEY,
    }
    scene.proxy.add(Rule(Headers(encrypted), path="/target$", method="HEAD"))

    failure = failure_of(scene.fetch(DENIED))

    assert failure.cause is Cause.KMS_DENIED
    assert KMS_KEY in failure.detail


def test_a_kms_key_of_a_big_object_is_named(scene: Scene) -> None:
    scene.put("target", os.urandom(3_000_000))
    encrypted = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": KMS_KEY}
    scene.proxy.add(Rule(Headers(encrypted), path="/target$", method="HEAD"))

    failure = failure_of(scene.fetch(DENIED, spool_from=1000))

    assert failure.cause is Cause.KMS_DENIED
    assert KMS_KEY in failure.detail


def test_a_kms_denial_is_recognised_by_its_grammar_where_nothing_else_shows_it(scene: Scene) -> None:
    message = (
        "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: kms:Decrypt on resource: "
        f"{KMS_KEY} because no identity-based policy allows the kms:Decrypt action"
    )
    scene.proxy.add(Rule(Status(403), path="/target$", method="HEAD"))

    failure = failure_of(scene.fetch(Status(403, "AccessDenied", message)))

    assert failure.cause is Cause.KMS_DENIED
    assert failure.detail == f"kms:Decrypt denied on key {KMS_KEY}"


def test_a_denied_action_is_named(scene: Scene) -> None:
    message = (
        "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::bucket/target" because no identity-based policy allows the s3:GetObject action'
    )
    scene.proxy.add(Rule(Status(403), path="/target$", method="HEAD"))

    failure = failure_of(scene.fetch(Status(403, "AccessDenied", message)))

    assert failure.cause is Cause.OBJECT_DENIED
    assert failure.detail == "s3:GetObject denied on arn:aws:s3:::bucket/target"


def test_an_explicit_deny_is_no_missing_grant(scene: Scene) -> None:
    message = (
        "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::bucket/target" with an explicit deny in a resource-based policy'
    )

    failure = failure_of(scene.fetch(Status(403, "AccessDenied", message)))

    assert failure.cause is Cause.POLICY_LIMIT
    assert failure.detail == message


def _owned_by(owner: str) -> OtherBody:
    return OtherBody(
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
        b"<IsTruncated>false</IsTruncated><Contents><Key>target</Key><Size>1</Size><Owner><ID>"
        + owner.encode()
        + b"</ID></Owner></Contents></ListBucketResult>"
    )


@pytest.mark.parametrize("acl", [True, False], ids=["by the bucket's ACL", "by a readable object"])
def test_an_object_of_another_account_is_named(scene: Scene, acl: bool) -> None:
    scene.proxy.add(Rule(Status(403), path="/target$", method="HEAD"))
    scene.proxy.add(Rule(_owned_by("f" * 64), query="fetch-owner=true.*prefix=target"))
    if not acl:
        scene.proxy.add(Rule(Status(403, "AccessDenied"), query="acl="))
        # FetchResult alone at first, so that there is something readable to compare with.
        fetcher = open_fetcher(scene.store.connection(), str(scene.spool))
        refs = {ref.key: ref for ref in scene.refs()}
        scene.proxy.add(Rule(DENIED, path="/target$", method="GET"))
        drive(fetcher, [refs["other-0"]])
        fetched = drive(fetcher, [refs["target"]])["target"]
        fetcher.close()
    else:
        fetched = scene.fetch(DENIED)

    failure = failure_of(fetched)
    assert failure.cause is Cause.OTHER_OWNER
    assert "f" * 64 in failure.detail


def test_an_archived_object_is_reported(scene: Scene) -> None:
    fetched = scene.fetch(Status(403, "InvalidObjectState", "The operation is not valid for the storage class"))

    assert failure_of(fetched).cause is Cause.ARCHIVED
    assert fetched.attempts == 1


def test_an_object_deleted_since_the_listing_is_gone(scene: Scene) -> None:
    refs = scene.refs()
    scene.s3.delete_object(Bucket=scene.bucket, Key="target")

    fetched = fetch_all(scene.store, refs, scene.spool)["target"]

    assert failure_of(fetched).cause is Cause.GONE
    assert fetched.attempts == 1


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Status(403, "InvalidAccessKeyId"), Cause.CREDENTIALS),
        (Status(403, "SignatureDoesNotMatch"), Cause.CREDENTIALS),
        (Status(403, "RequestTimeTooSkewed"), Cause.CLOCK_SKEW),
        (Status(404, "NoSuchBucket"), Cause.NO_BUCKET),
    ],
)
def test_what_every_object_must_meet_is_fatal(scene: Scene, fault: Status, cause: Cause) -> None:
    failure = failure_of(scene.fetch(fault))

    assert failure.cause is cause
    assert failure.cause.fatal


def test_a_larger_object_than_allowed_is_refused(scene: Scene) -> None:
    refs = scene.refs()
    scene.put("target", b"x" * 2000)
    store = open_store(scene.store.location, StoreSettings(retry=QUICK, max_object_bytes=1000))

    for spool_from in (100, 1 << 22):
        done = fetch_all(store, refs, scene.spool, spool_from=spool_from)
        assert failure_of(done["target"]).cause is Cause.TOO_LARGE
        assert done["other-0"].failure is None


def test_a_spool_that_takes_nothing_is_reported(scene: Scene) -> None:
    (done, *_) = fetch_all(scene.store, scene.refs(), scene.spool / "missing", spool_from=1).values()

    failure = failure_of(done)
    assert failure.cause is Cause.SPOOL
    assert failure.code == "ENOENT"
    assert failure.cause.exit_code is ExitCode.DESTINATION


def test_expired_credentials_are_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    refs = scene.refs()
    scene.proxy.add(Rule(EXPIRED, method="GET", header="authorization: .*Credential=AKIAIOSFODNN7EXAMPLE/", path="."))
    old = scene.store.connection()
    renewals: list[None] = []

    def renew() -> StoreConnection:
        renewals.append(None)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIARENEWED")
        return scene.store.connection(renew=True)

    done = fetch_all(scene.store, refs, scene.spool, renew=renew, connection=old)

    assert all(fetched.body == BODY for fetched in done.values())
    assert len(renewals) == 1


def test_credentials_that_stay_expired_end_it(scene: Scene) -> None:
    refs = scene.refs()
    scene.proxy.add(Rule(EXPIRED, method="GET", path="/(target|other)"))

    done = fetch_all(scene.store, refs, scene.spool, renew=lambda: scene.store.connection(renew=True))

    assert {failure_of(fetched).cause for fetched in done.values()} == {Cause.EXPIRED}
