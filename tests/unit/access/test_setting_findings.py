"""What settings of a bucket do to Nimble, without a network."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harvester.access.bucket_snapshot import snapshot_of
from harvester.access.delivery_targets import find_targets
from harvester.access.explain.setting_findings import SettingsContext, check_settings
from harvester.storage import GcsSettings

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
