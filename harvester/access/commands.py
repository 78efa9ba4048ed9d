"""Commands that are proposed, run with the credentials and the endpoint that found what they mend."""

from __future__ import annotations

import shlex

from harvester.access.targets import shown
from harvester.cloud import StoreSettings

_OWN = "nimble-harvester "
_KMS = "aws kms "


def with_connection(command: str, settings: StoreSettings, kms_profile: str | None = None) -> str:
    """Return a command with the connection flags of the run that proposes it; what comes from the environment stays
    there."""
    profile = settings.profile
    flags: list[tuple[str, str | None]] = []
    if command.startswith(_OWN):
        flags = [("--kms-profile", kms_profile), ("--expected-bucket-owner", settings.expected_bucket_owner)]
    elif command.startswith(_KMS):
        profile = kms_profile or profile
    elif not command.startswith("aws "):
        return command
    flags = [("--profile", profile), ("--endpoint-url", settings.endpoint_url), ("--region", settings.region), *flags]
    words = shlex.split(command)
    return " ".join((command, *(f"{name} {shown(value)}" for name, value in flags if value and name not in words)))
