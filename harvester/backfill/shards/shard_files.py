"""Store the files of an attempt that are no rows: media, and the bytes of invalid objects."""

from __future__ import annotations

import os
import shutil
from hashlib import sha256
from pathlib import Path

from harvester.backfill.backfill_plan import Shard
from harvester.backfill.shards.shard_commit import FILES_FOLDER, QUARANTINE_FOLDER
from harvester.destination import Manifest, NoFollowTree, is_text, read_destination
from harvester.tables import TABLE_OF, OutputStore


def store_files(destination: Path, store: OutputStore, shard: Shard, attempt: str) -> int:
    """Store the landed objects without rows and the quarantined bytes of a destination; return how many had no rows.

    Names are ``files/SHARD/ATTEMPT/PATH`` and ``quarantine/SHARD/ATTEMPT/PATH``, with the path in the destination.
    """
    files = 0
    with read_destination(destination) as opened:
        tree = NoFollowTree(opened.root)
        for path in _media(opened.manifest):
            _store(tree, path, store, f"{FILES_FOLDER}{shard.name}/{attempt}/")
            files += 1
        for path in _quarantined(opened.manifest):
            _store(tree, path, store, f"{QUARANTINE_FOLDER}{shard.name}/{attempt}/")
    return files


def _media(manifest: Manifest) -> list[str]:
    return [row.path for row in manifest.landed() if row.shape not in TABLE_OF]


def _quarantined(manifest: Manifest) -> list[str]:
    return [row.path for row in manifest.problems() if row.path is not None and row.outcome == "quarantined"]


def _store(tree: NoFollowTree, path: str, store: OutputStore, folder: str) -> None:
    source, copy = tree.whole_path(path), store.scratch()
    try:
        os.link(source, copy, follow_symlinks=False)
    except OSError:
        # Another file system, or one without links.
        shutil.copyfile(source, copy, follow_symlinks=False)
        with copy.open("rb") as copied:
            os.fsync(copied.fileno())
    store.publish(copy, folder + _stored_name(path))


def _stored_name(path: str) -> str:
    """Return the name of a path in the output, in which names are text."""
    name = path.removeprefix(".nimble-harvester/quarantine/")
    return name if is_text(name) else sha256(os.fsencode(name)).hexdigest()
