"""End a run in which every fetch fails for one cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvester.error_codes import ErrorCode

if TYPE_CHECKING:
    # Causes are loaded by the first failure.
    from harvester.causes import Cause
    from harvester.errors import HarvesterError
    from harvester.transfer.workers import Failed

_SAMPLE = 100
_FATAL_SAMPLE = 10


class CircuitBreaker:
    """Watches how fetches end.

    It trips when the first hundred all fail for one cause, when a hundred in a row fail for want of a connection, and
    for a cause that every other object must share when ten in a row have it, or all there are: a store may report it
    for one object alone.
    """

    def __init__(self) -> None:
        """Nothing has ended yet."""
        self._ended = 0
        self._first_cause = ""
        self._in_a_row = 0
        self._last_cause = ""
        self._last_failed: Failed | None = None

    def success(self) -> None:
        """A fetch went well."""
        self._ended += 1
        self._first_cause = ""
        self._in_a_row = 0

    def failure(self, failed: Failed) -> HarvesterError | None:
        """A fetch failed; return the error to end the run with, if it is pointless to go on."""
        cause = failed.cause
        self._last_failed = failed
        if self._ended == 0:
            self._first_cause = cause
        elif cause != self._first_cause:
            self._first_cause = ""
        self._ended += 1
        self._in_a_row = self._in_a_row + 1 if cause == self._last_cause else 1
        self._last_cause = cause
        known = _known(cause)
        if known is None:
            return None
        all_alike = bool(self._first_cause) and self._ended >= _SAMPLE
        sample = _FATAL_SAMPLE if known.fatal else _SAMPLE if known.retryable else None
        if all_alike or (sample is not None and self._in_a_row >= sample):
            return _error(known, failed)
        return None

    def conclusion(self) -> HarvesterError | None:
        """Return the error of a run whose every fetch failed for one cause that is no object's own, else None."""
        failed = self._last_failed
        if failed is None or failed.cause != self._first_cause:
            return None
        cause = _known(failed.cause)
        return _error(cause, failed) if cause is not None and cause.fatal else None


def _known(cause: str) -> Cause | None:
    from harvester.causes import Cause

    return Cause(cause) if cause in Cause.__members__.values() else None


def _error(cause: Cause, failed: Failed) -> HarvesterError:
    from harvester.causes import may_pass

    error = cause.error_class(
        f"every fetch fails: {cause.value.replace('_', ' ')}, e.g. {failed.key}",
        cause=failed.detail,
        code=ErrorCode.EVERY_FETCH_FAILS,
        subject=failed.key,
        parameters={"reason": cause.value},
        retryable=may_pass(cause.value),
    )
    error.exit_code = cause.exit_code
    return error
