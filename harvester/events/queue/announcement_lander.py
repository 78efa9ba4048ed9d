"""Land what messages announce, and keep the outcome of every announced key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from harvester.errors import AccessDenied, ConnectionFailed, HarvesterError, IntegrityError
from harvester.events.queue.announced_object import AnnouncedObject
from harvester.events.queue.message import newest_versions, object_outcome, second_look_ups
from harvester.events.queue.peer_destinations import PeerDestinations
from harvester.retry import RateLimitedLog
from harvester.storage import ObjectRef
from harvester.transfer import ObjectEvent, SyncSession

_LOOK_UPS = 8


class AnnouncementLander:
    """Lands one batch of announced objects after the other. Not thread-safe."""

    def __init__(self, peers: PeerDestinations, log: RateLimitedLog) -> None:
        """``peers``: objects that have landed there are not landed here."""
        self._peers = peers
        self._log = log
        self._outcomes: dict[str, str] = {}
        self.beside = 0
        """Objects that another worker has landed."""

    def land(self, announced: Sequence[AnnouncedObject], session: SyncSession) -> None:
        """Land a batch; ``outcome`` then returns what became of it. Raises like ``SyncSession.land``."""
        self._outcomes.clear()
        refs, unclear = newest_versions(announced, lambda ref: session.knows_another(ref) or session.needs_time(ref))
        refs |= self._look_up(unclear, session, alone=not refs)
        session.land(self._missing_at_peers(refs.values(), session))
        # Where the store does not encode keys in its events, the object exists under the key as written.
        again = second_look_ups(announced, self._outcomes)
        if again:
            found = self._look_up(again, session, alone=False)
            session.land(self._missing_at_peers(found.values(), session))
        session.make_durable()

    def record(self, event: ObjectEvent) -> None:
        """Record the outcome of an object; the session reports it through its observer."""
        gone = event.outcome == "failed" and event.reason == "gone"
        self._outcomes[event.key] = "gone" if gone else event.outcome
        if event.outcome == "failed" and not gone:
            self._log("failed", f"{event.key} could not be fetched: {event.reason.replace('_', ' ')}")

    def outcome(self, announced: AnnouncedObject) -> str | None:
        """Return the outcome of an object of the batch, None if the batch was interrupted before."""
        return object_outcome(announced, self._outcomes)

    def _look_up(self, keys: Sequence[str], session: SyncSession, *, alone: bool) -> dict[str, ObjectRef]:
        """Return the current versions of the keys that exist, and record the outcome of the others.

        The failure of one look-up delays no other object; if there is nothing but failures, ``alone``, it is raised.
        """
        found: dict[str, ObjectRef] = {}
        failures: list[HarvesterError] = []
        with ThreadPoolExecutor(_LOOK_UPS) as pool:
            for key, result in zip(keys, pool.map(lambda key: _head(session, key), keys), strict=True):
                if isinstance(result, ObjectRef):
                    found[key] = result
                elif result is None:
                    self._outcomes[key] = "gone"
                else:
                    failures.append(result)
                    self._outcomes[key] = "failed"
                    self._log("failed", result.one_line())
        if alone and failures and len(failures) == len(keys) and isinstance(failures[0], ConnectionFailed):
            raise failures[0]
        return found

    def _missing_at_peers(self, refs: Iterable[ObjectRef], session: SyncSession) -> list[ObjectRef]:
        missing = []
        for ref in refs:
            if session.has_landed(ref) or not self._peers.contains(ref):
                missing.append(ref)
            else:
                self.beside += 1
                self._outcomes[ref.key] = "beside"
        return missing


def _head(session: SyncSession, key: str) -> ObjectRef | HarvesterError | None:
    try:
        return session.store.head(key)
    except (AccessDenied, ConnectionFailed, IntegrityError) as error:
        return error
