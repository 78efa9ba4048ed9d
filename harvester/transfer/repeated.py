"""Run after run on one destination, under one lock."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from harvester.destination import SourceBinding, check_apart, open_destination
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import open_store
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.session import SyncRun
from harvester.transfer.sync_report import SyncReport


@contextlib.contextmanager
def open_repeated(
    location: Location,
    destination: Path,
    options: SyncOptions,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> Iterator[Callable[[], SyncReport]]:
    """Hold ``destination``, and yield a function that brings it up to date each time it is called.

    A run that found nothing to do leaves no record behind: whoever looks every 30 seconds would fill the manifest with
    them. Raises what ``sync`` raises when a run cannot start.
    """
    settings = settings or StoreSettings()
    check_apart(location, destination)
    store = open_store(location, settings)
    with open_destination(destination, options.state_dir) as opened:
        binding = SourceBinding(location.url, settings.endpoint_url or "", options.result.keep_compressed)
        opened.manifest.bind(binding, destination)

        def run() -> SyncReport:
            report = SyncRun(store, opened.root, opened.manifest, options, observer or Observer()).run()
            if report.idle:
                opened.manifest.forget_run(report.run)
            return report

        yield run
