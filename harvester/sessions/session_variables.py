"""Check the environment variables of the clouds before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError

_IN_HEADERS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "GOOGLE_CLOUD_QUOTA_PROJECT"})


def check_variables(environment: Mapping[str, str], *beginnings: str) -> None:
    """Raise ConfigurationError for a variable named ``beginnings`` and on that no request can be made of.

    Headers are made of them: a line end cuts a request in two, and is a sign of a secret read with its line end.
    """
    for name, value in environment.items():
        if not name.startswith(beginnings):
            continue
        if not (value.isprintable() or _has_only_spaces(value)):
            raise _invalid(
                name,
                "a line end or another control character",
                "a value read from a file often keeps the file's last line end",
            )
        if name in _IN_HEADERS and not value.isascii():
            raise _invalid(name, "a character that is not ASCII", "it is sent in a header of every request")


def _invalid(name: str, found: str, cause: str) -> ConfigurationError:
    return ConfigurationError(
        f"the variable {name} has {found} in it", cause=cause, code=ErrorCode.VARIABLE_INVALID, subject=name
    )


def _has_only_spaces(value: str) -> bool:
    """Return whether what is not printable in a value is no control character, such as a no-break space."""
    return not any(ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F for character in value)
