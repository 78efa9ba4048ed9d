"""One sync run: its number, and the parts that plan, dispatch and record the objects of a session."""

from __future__ import annotations

import contextlib
import json
import time
from functools import cache
from pathlib import Path

from harvester.destination import (
    TEMPORARY,
    CompiledSelection,
    FileSystemNames,
    Manifest,
    destination_error,
    probe_names,
)
from harvester.errors import ExitCode, HarvesterError
from harvester.extras import PARQUET, is_installed
from harvester.storage import KeyPrefixes, KeySelection, Store
from harvester.transfer.dispatcher import Dispatcher
from harvester.transfer.listing_planner import ListingPlanner
from harvester.transfer.options import ExportHooks, Observer, SyncOptions
from harvester.transfer.plan import PlanOptions
from harvester.transfer.range_planner import PathNaming
from harvester.transfer.recording import Recorder
from harvester.transfer.sync_report import SyncReport

_EXACT_NAMES = FileSystemNames(folds_case=False, folds_normalization=False)


class SyncRun:
    """A run on an open destination; for one thread."""

    def __init__(
        self,
        store: Store,
        root: Path,
        manifest: Manifest,
        options: SyncOptions,
        observer: Observer,
        *,
        plan_all: bool = False,
        keys: KeySelection | None = None,
        hooks: ExportHooks | None = None,
    ) -> None:
        """Begin a run over ``keys``, or all; ``plan_all`` plans also unchanged objects, so that each is reported."""
        hooks = hooks or ExportHooks()
        self.keys = keys
        self.windows = hooks.windows
        self.plans_all = plan_all
        self.store = store
        self.root = root
        self.manifest = manifest
        self.options = options
        self.started_at = time.time()
        self.number = 0 if options.dry_run else manifest.begin_run()
        self.recorder = Recorder(manifest, root, self.number, options, observer, keys)
        self.planner = ListingPlanner(
            manifest,
            PathNaming(
                store.location.prefix, str(root), options.result.keep_compressed, options.unsafe_names == "refuse"
            ),
            _EXACT_NAMES if options.dry_run else probe_names(root / TEMPORARY),
            CompiledSelection(options.selection),
            PlanOptions(
                cache(options.fingerprint_of),
                options.probe_name,
                options.max_object_bytes,
                is_installed(PARQUET),
                hooks.is_exported,
            ),
            plan_all=plan_all,
            finds_gone=keys is None or isinstance(keys, KeyPrefixes),
            is_whole=keys is None,
        )
        self.dispatcher = Dispatcher(store, root, self.recorder, options, observer, hooks=hooks)

    def stop_work(self) -> None:
        """End the workers, account for what they finished, and close the planner."""
        # Objects of a page that could not be planned to its end.
        self.recorder.count_unchanged(self.planner.take_unchanged_count())
        self.planner.close()
        self.dispatcher.end()

    def finish(self) -> HarvesterError | None:
        """Record what is left and make it durable; return the error that prevented it."""
        try:
            self.recorder.finish()
        except HarvesterError as failed:
            return failed
        except OSError as failed:
            return destination_error(self.root, failed)
        return None

    def report(self, error: HarvesterError | None, exit_code: ExitCode) -> SyncReport:
        """Return the counts and problems up to now."""
        return self.recorder.counters.report(
            location=self.store.location.url,
            destination=str(self.root),
            run=self.number,
            dry_run=self.options.dry_run,
            started_at=self.started_at,
            exit_code=exit_code,
            problems=self.recorder.problems(),
            error=error,
        )

    def record_end(self, report: SyncReport) -> None:
        """Record the report of the run that ends."""
        document = report.as_document()
        del document["problems"]
        with contextlib.suppress(HarvesterError):
            # On a full disk the run stays without an end in the manifest, as after a kill; the report is returned.
            self.manifest.end_run(self.number, int(report.exit_code), json.dumps(document))
