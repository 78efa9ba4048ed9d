"""What every engine does alike with the outcome of an attempt: commit, try again, or give up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from harvester.backfill.shards import ShardOutcome
from harvester.errors import ExitCode

RETRIED_CODES: Final = (ExitCode.CONNECTION_FAILED, ExitCode.LOCKED, ExitCode.TIMED_OUT)
"""Exit codes of attempts that are repeated: the network, a lock or a time limit may allow the next one."""
FINAL_CODES: Final = (
    ExitCode.USAGE,
    ExitCode.ACCESS_DENIED,
    ExitCode.NO_SUCH_BUCKET,
    ExitCode.INTEGRITY,
    ExitCode.CONFIGURATION,
    ExitCode.DESTINATION,
    ExitCode.CONSENT,
    ExitCode.FOREIGN_POSITION,
    ExitCode.REFUSED,
)
"""Exit codes of attempts that are not repeated: a person has to change something first."""
DEFAULT_RETRIES: Final = 5


class EngineProgress(NamedTuple):
    """How far an engine is."""

    committed: int
    """Shards that are committed."""
    shards: int
    """Shards of the backfill."""
    outcome: ShardOutcome
    """The outcome that is new."""
    retried: bool
    """Whether the shard is tried again."""


Progress = Callable[[EngineProgress], None]


class Attempts:
    """Counts attempts of each shard and decides what follows an outcome."""

    def __init__(
        self, shards: int, missing: int, retries: int = DEFAULT_RETRIES, progress: Progress | None = None
    ) -> None:
        """Take how many shards there are, and how many are not committed; ``retries`` of each shard."""
        self._shards = shards
        self._committed = shards - missing
        self._retries = retries
        self._progress = progress
        self._attempts: dict[int, int] = {}
        self.failed: list[ShardOutcome] = []
        """Last outcomes of the shards that are given up."""

    def takes(self, outcome: ShardOutcome) -> bool:
        """Take an outcome; return whether the shard is tried again."""
        count = self._attempts[outcome.shard] = self._attempts.get(outcome.shard, 0) + 1
        final = outcome.exit_code in (*FINAL_CODES, ExitCode.BUG) or not outcome.may_succeed_later
        again = not outcome.committed and not final and count <= self._retries
        if outcome.committed:
            self._committed += 1
        elif not again:
            self.failed.append(outcome)
        if self._progress is not None:
            self._progress(EngineProgress(self._committed, self._shards, outcome, again))
        return again

    @property
    def stopped_by(self) -> ShardOutcome | None:
        """The outcome that ends the whole backfill: a cause that every other shard has too."""
        return next((each for each in self.failed if each.exit_code in FINAL_CODES), None)

    def exit_code(self) -> ExitCode:
        """Return 0 where every shard is committed, else the code of what ended it, else the first failure's."""
        ended = self.stopped_by or next(iter(self.failed), None)
        return ExitCode.OK if ended is None else ended.exit_code
