"""Errors of options and arguments that are missing, exclude each other, or have no meaning together."""

from __future__ import annotations

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError


def option_required(what: str, *options: str, cause: str = "") -> UsageError:
    """Return the error of a command that needs one of ``options``, as they are written: ``--account ID``."""
    return UsageError(what, cause=cause, code=ErrorCode.OPTION_REQUIRED, parameters={"options": options})


def options_exclusive(what: str, *options: str, cause: str = "") -> UsageError:
    """Return the error of a command that takes exactly one of ``options``, as they are written."""
    return UsageError(what, cause=cause, code=ErrorCode.OPTIONS_EXCLUSIVE, parameters={"options": options})


def option_inapplicable(what: str, option: str, *, cause: str = "", needs: str = "", instead: str = "") -> UsageError:
    """Return the error of an option that has no meaning here.

    ``needs`` is what gives it a meaning, ``instead`` the option to use in its place, both as they are written.
    """
    parameters = {"option": option, "needs": needs, "instead": instead}
    return UsageError(what, cause=cause, code=ErrorCode.OPTION_INAPPLICABLE, parameters=parameters)


def value_invalid(what: str, example: str, *, cause: str = "") -> UsageError:
    """Return the error of a value that cannot be used, with a valid one as it is written."""
    return UsageError(what, cause=cause, code=ErrorCode.OPTION_VALUE_INVALID, parameters={"example": example})
