"""Commands that are proposed, run with the credentials and the endpoint that found what they mend."""

from __future__ import annotations

import shlex

from harvester.access.delivery_targets import shown
from harvester.sessions import StoreSettings

_OWN = "nimble-harvester "
_KMS = "aws kms "


def with_connection(command: str, settings: StoreSettings, kms_profile: str | None = None) -> str:
    """Return a command with the connection flags of the run that proposes it; what comes from the environment stays
    there."""
    if not command.startswith((_OWN, "aws ")):
        return command
    flags = {"--profile": settings.profile, "--endpoint-url": settings.endpoint_url, "--region": settings.region}
    if command.startswith(_OWN):
        flags |= {"--kms-profile": kms_profile, "--expected-bucket-owner": settings.expected_bucket_owner}
    elif command.startswith(_KMS):
        flags["--profile"] = kms_profile or settings.profile
    words = shlex.split(command)
    given = (f"{name} {shown(value)}" for name, value in flags.items() if value and name not in words)
    return " ".join((command, *given))
