"""Read what identifies the rows of an export, in any output and format."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.tables import OutputStore

IDENTITY = ["key", "version", "row_index"]
"""The columns that identify a row."""
Identities = Counter[tuple[str, str, int | None]]


def exported_rows(store: OutputStore) -> Identities:
    """Count the rows under ``data/``; of Delta tables, those of files that a commit names."""
    names: Iterable[str] = list(store.names("data/"))
    logs = [name for name in names if "/_delta_log/" in name]
    if logs:
        names = _committed(store, logs)
    found: Identities = Counter()
    for name in names:
        content = store.read(name)
        assert content is not None
        if ".jsonl." in name:
            with pa.CompressedInputStream(
                pa.BufferReader(content), "zstd" if name.endswith("zst") else "gzip"
            ) as stream:
                rows = [json.loads(line) for line in stream.read().splitlines()]
            found.update((row["key"], row["version"], row["row_index"]) for row in rows)
        else:
            columns = pq.read_table(io.BytesIO(content), columns=IDENTITY).to_pydict()
            found.update(zip(*(columns[name] for name in IDENTITY), strict=True))
    return found


def _committed(store: OutputStore, logs: Iterable[str]) -> Iterator[str]:
    """Yield the files of Delta tables that their logs name."""
    # Every tenth version also has a checkpoint, in Parquet.
    for log in (log for log in logs if log.endswith(".json")):
        for line in (store.read(log) or b"").splitlines():
            added = json.loads(line).get("add")
            if added:
                yield f"{log.partition('/_delta_log/')[0]}/{added['path']}"
