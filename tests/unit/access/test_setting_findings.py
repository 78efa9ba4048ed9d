"""What settings of a bucket do to Nimble, without a network."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from harvester.access.bucket_snapshot import snapshot_of
from harvester.access.delivery_targets import find_targets
from harvester.access.explain.setting_findings import SettingsContext, check_settings
from harvester.storage import Encryption, GcsSettings, KmsKey, S3Settings
from policies import document

NIMBLE = "serviceAccount:nimbleway-gcp-storage@nimbleway-gcp.iam.gserviceaccount.com"


@pytest.mark.parametrize("prevention", ["enforced", "inherited"])
@pytest.mark.parametrize(
    ("bindings", "prevented"),
    [
        ({"roles/storage.objectCreator": ["allUsers"]}, True),
        ({"roles/storage.objectAdmin": ["allAuthenticatedUsers"], "roles/storage.objectViewer": [NIMBLE]}, True),
        ({"roles/storage.objectCreator": ["allUsers", NIMBLE]}, False),
        ({"roles/storage.objectViewer": ["allUsers"], "roles/storage.objectUser": [NIMBLE]}, False),
        ({"roles/storage.objectViewer": ["allUsers"]}, False),
        ({}, False),
    ],
)
def test_what_everyone_is_granted_is_taken_away_where_public_access_is_prevented(
    bindings: dict[str, list[str]], prevention: str, *, prevented: bool
) -> None:
    (target,) = find_targets(["gs://bkt/out/"], "async")
    policy = {"bindings": [{"role": role, "members": members} for role, members in bindings.items()]}
    settings = GcsSettings("bkt", "EU", policy, True, prevention, None, False, None, None, False)
    context = SettingsContext(target, snapshot_of(settings, None), 7.0, datetime(2026, 11, 1, tzinfo=UTC))
    codes = [each.code for each in check_settings(context)]
    assert codes == (["public-access-prevented"] if prevented and prevention == "enforced" else [])
    binding = {"role": "roles/storage.objectCreator", "members": [target.contract.principal]}
    inherited = (document({"bindings": [binding]}, kind="gcs"),)
    assert not list(check_settings(replace(context, inherited=inherited)))


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("Enabled", None),
        ("Updating", None),
        ("Disabled", "key-not-enabled"),
        ("Creating", "key-not-enabled"),
        ("PendingDeletion", "key-not-enabled"),
        ("PendingReplicaDeletion", "key-not-enabled"),
        ("PendingImport", "key-without-material"),
        ("Unavailable", "key-store-unavailable"),
    ],
)
def test_a_key_blocks_delivery_in_the_states_it_cannot_be_used_in(state: str, code: str | None) -> None:
    (target,) = find_targets(["s3://bucket"], "jobs")
    account, region = "123456789012", "eu-west-1"
    arn = f"arn:aws:kms:{region}:{account}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    settings = S3Settings(
        bucket="bucket",
        region=region,
        owner=account,
        caller=account,
        policy=None,
        public_access_block=None,
        account_public_access_block=None,
        ownership="BucketOwnerEnforced",
        encryption=Encryption("aws:kms", arn, True),
        versioning=None,
        lifecycle=None,
        object_lock=None,
        payer="BucketOwner",
    )
    key = KmsKey(arn, account, region, False, state, "ENCRYPT_DECRYPT", '{"Statement": []}')
    context = SettingsContext(target, snapshot_of(settings, key), 7.0, datetime(2026, 11, 1, tzinfo=UTC))
    blocking = {each.code for each in check_settings(context) if each.blocks}
    assert blocking == ({code} if code else set())
