"""Check the environment variables of the clouds before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError


def check_variables(environment: Mapping[str, str], *beginnings: str) -> None:
    """Raise ConfigurationError for a line end or another control character in a variable named ``beginnings`` and on.

    Headers are made of them: such a value cuts a request in two, and is a sign of a secret read with its line end.
    """
    for name, value in environment.items():
        if name.startswith(beginnings) and not (value.isprintable() or _has_only_spaces(value)):
            raise ConfigurationError(
                f"the variable {name} has a line end or another control character in it",
                cause="a value read from a file often keeps the file's last line end",
                code=ErrorCode.VARIABLE_INVALID,
                subject=name,
            )


def _has_only_spaces(value: str) -> bool:
    """Return whether what is not printable in a value is no control character, such as a no-break space."""
    return not any(ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F for character in value)
