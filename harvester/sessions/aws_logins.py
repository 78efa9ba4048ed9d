"""How AWS credentials are renewed, by botocore's names of where they came from."""

from __future__ import annotations

from collections.abc import Mapping


def login_command(method: str, profile: str | None) -> str:
    """Return the command that renews credentials found by ``method``, or what to do where there is none."""
    named = f" --profile {profile}" if profile else ""
    commands: Mapping[str, str] = {
        "sso": f"aws sso login{named}",
        "login": f"aws login{named}",
        "env": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew",
        "shared-credentials-file": f"aws configure{named}",
        "config-file": f"aws configure{named}",
    }
    return commands.get(method, f"aws sso login{named}   (or renew the credentials the way you got them)")
