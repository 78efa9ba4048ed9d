"""Commands that are proposed, run with the credentials and the endpoint that found what they mend."""

from __future__ import annotations

from harvester.access.targets import shown
from harvester.cloud import StoreSettings

_OWN = "nimble-harvester "
_KMS = "aws kms "
_THEN = " && "


def with_connection(command: str, settings: StoreSettings, kms_profile: str | None = None) -> str:
    """Return a command with the connection flags of the run that proposes it; what comes from the environment stays
    there."""
    return _THEN.join(_with_flags(each, settings, kms_profile) for each in command.split(_THEN)) if command else ""


def _with_flags(command: str, settings: StoreSettings, kms_profile: str | None) -> str:
    flags = [("--profile", settings.profile), ("--endpoint-url", settings.endpoint_url), ("--region", settings.region)]
    if command.startswith(_OWN):
        flags += [("--kms-profile", kms_profile), ("--expected-bucket-owner", settings.expected_bucket_owner)]
    elif command.startswith(_KMS):
        flags[0] = ("--profile", kms_profile or settings.profile)
    elif not command.startswith("aws "):
        return command
    given = [f"{name} {shown(value)}" for name, value in flags if value and f" {name} " not in command]
    return " ".join((command, *given))
