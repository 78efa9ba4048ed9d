"""A budget for requests to Nimble's API that are caused by unknown task ids. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable

UNKNOWN_PER_SECOND = 5.0
"""Look-ups of unknown ids in the long run: a small part of the account's rate, which other programs share."""
_BURST = 100.0


class LookupBudget:
    """Limits look-ups while their ids turn out to be unknown: webhooks are not signed, so any client can send ids.

    A look-up of a known id costs nothing. Each unknown id takes a token; tokens return at ``UNKNOWN_PER_SECOND``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a full budget."""
        self._clock = clock
        self._tokens = _BURST
        self._at = clock()

    def available(self, limit: int) -> int:
        """Return how many ids may be looked up now, at most ``limit``, even if all of them are unknown."""
        now = self._clock()
        self._tokens = min(_BURST, self._tokens + (now - self._at) * UNKNOWN_PER_SECOND)
        self._at = now
        return min(limit, int(self._tokens))

    def spend(self, unknown: int) -> None:
        """Take the tokens of ids that were unknown."""
        self._tokens = max(0.0, self._tokens - unknown)
