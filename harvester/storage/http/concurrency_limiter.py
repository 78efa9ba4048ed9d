"""How many requests one worker keeps in flight: as many as gain something, fewer when the store asks for it."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = 32
_MOST = 256
_EPOCH_SECONDS = 0.1
_IDLE_SHARE = 0.1
_GAIN = 1.1
_EPOCHS_HELD = 16
_SHRINK_INTERVAL = 0.5
_OBJECT_WEIGHT = 16 * 1024


@dataclass(slots=True)
class Window:
    """Grows while waiting for answers is what takes the time and a larger window brought more; halves on throttling."""

    limit: int = _FIRST
    """Requests in flight at most, now."""
    _began: float = -1.0
    _completed: int = 0
    _work: int = 0
    _waited: float = 0.0
    _last_limit: int = _FIRST
    _last_rate: float = 0.0
    _on_trial: bool = False
    _hold: int = 0
    _shrunk: float = float("-inf")

    def completed(self, size: int) -> None:
        """Count an object of ``size`` bytes that arrived."""
        self._completed += 1
        self._work += size + _OBJECT_WEIGHT

    def waited(self, seconds: float) -> None:
        """Count time in which there was nothing to do but wait for the store."""
        self._waited += seconds

    def throttled(self, now: float) -> None:
        """Halve; what was in flight together is throttled together and counts once."""
        if now - self._shrunk < _SHRINK_INTERVAL:
            return
        self._shrunk = now
        self.limit = max(1, self.limit // 2)
        self._on_trial = False
        self._hold = _EPOCHS_HELD
        self._restart(now)

    def review(self, now: float) -> None:
        """Decide on the size when an epoch is over."""
        if self._began < 0:
            self._restart(now)
            return
        elapsed = now - self._began
        if elapsed < _EPOCH_SECONDS or self._completed < 2 * self.limit:
            return
        rate = self._work / elapsed
        idle = self._waited / elapsed > _IDLE_SHARE
        if self._on_trial and rate < _GAIN * self._last_rate:
            self.limit = self._last_limit
            self._on_trial = False
            self._hold = _EPOCHS_HELD
        elif self._hold:
            self._hold -= 1
        elif idle and self.limit < _MOST:
            self._last_limit, self._last_rate = self.limit, rate
            self.limit = min(_MOST, self.limit * 2)
            self._on_trial = True
        else:
            self._on_trial = False
        self._restart(now)

    def _restart(self, now: float) -> None:
        self._began = now
        self._completed = self._work = 0
        self._waited = 0.0
