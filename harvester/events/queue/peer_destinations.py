"""Destinations of other workers that land the same source."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harvester.destination import Manifest, manifest_path, read_destination, same_version
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location
from harvester.storage import ObjectRef


class PeerDestinations:
    """Manifests of other workers' destinations, read while they are written. Not thread-safe."""

    def __init__(self, destinations: Sequence[Path], location: Location) -> None:
        """Open none yet; one that does not exist is tried again at each call of ``contains``."""
        self._location = location
        self._waiting = list(destinations)
        self._open: list[Manifest] = []
        self._stack = contextlib.ExitStack()

    def contains(self, ref: ObjectRef) -> bool:
        """Return whether this version of an object has landed, or was quarantined or refused, in one of them.

        Raises UsageError for a destination of another source, ConfigurationError for a newer manifest.
        """
        if self._waiting:
            self._open_new()
        for manifest in self._open:
            landed, problem = manifest.landed_row(ref.key), manifest.problem(ref.key)
            if landed is not None and same_version(ref, landed):
                return True
            if problem is not None and problem.outcome != "failed" and same_version(ref, problem):
                return True
        return False

    def _open_new(self) -> None:
        for destination in [each for each in self._waiting if manifest_path(each, None).is_file()]:
            manifest = self._stack.enter_context(read_destination(destination)).manifest
            bound = manifest.binding()
            if bound is None:
                continue
            if bound.url != self._location.url:
                raise UsageError(
                    f"{destination} mirrors {bound.url}, not {self._location.url}",
                    code=ErrorCode.PEER_OF_ANOTHER_LOCATION,
                    subject=str(destination),
                )
            self._open.append(manifest)
            self._waiting.remove(destination)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self._stack.close()
