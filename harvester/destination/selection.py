"""Which objects are wanted, by key and time."""

import fnmatch
import re
from typing import NamedTuple

from harvester.storage import UNKNOWN_TIME


class Selection(NamedTuple):
    """Which objects are wanted: a filter, never a position."""

    include: tuple[str, ...] = ()
    """Globs on the key below the prefix; ``*`` spans ``/``. Any of them, or none given."""
    exclude: tuple[str, ...] = ()
    """Globs on the key below the prefix; none of them."""
    since: float | None = None
    """Last modified at or after, seconds since the epoch."""
    until: float | None = None
    """Last modified before, seconds since the epoch."""
    after: float | None = None
    """Last modified later than this, seconds since the epoch: a backfill holds what was modified until then."""


class CompiledSelection:
    """A Selection compiled for matching every key."""

    def __init__(self, selection: Selection) -> None:
        """Compile the globs."""
        self._include = _compile(selection.include)
        self._exclude = _compile(selection.exclude)
        self._since = selection.since
        self._until = selection.until
        self._after = selection.after
        self.selects_all = selection == Selection()

    def refusal(self, relative_key: str, last_modified: float) -> str:
        """Return the filter that excludes the object, or an empty string; none by time excludes an unknown time."""
        if self._include is not None and not self._include.match(relative_key):
            return "not_included"
        if self._exclude is not None and self._exclude.match(relative_key):
            return "excluded"
        if last_modified == UNKNOWN_TIME:
            return ""
        if self._since is not None and last_modified < self._since:
            return "before_since"
        if self._until is not None and last_modified >= self._until:
            return "after_until"
        if self._after is not None and last_modified <= self._after:
            return "before_start"
        return ""


def _compile(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs)) if globs else None
