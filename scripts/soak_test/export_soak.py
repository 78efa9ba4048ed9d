"""Kill exports of every format at random, several at once, and count the rows that their tables end with."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

import harvester

FORMATS: tuple[Literal["parquet", "jsonl", "delta"], ...] = ("parquet", "jsonl", "delta")
_IDENTITY = ["key", "version", "row_index"]
_LONGEST_DELAY = 2.0
_SIZES = ("1", "9KB", "1MB")


def export_soak(folder: Path, *, rounds: int, files: int, rows: int, seed: int) -> int:
    """Do so many rounds of each format below ``folder``; return the exit code."""
    print(f"seed {seed}: {rounds} rounds of {', '.join(FORMATS)}", flush=True)
    chance = random.Random(seed)
    source, destination = folder / "source", folder / "destination"
    source.mkdir()
    for number in range(files):
        _put(source / f"{number}.jsonl", rows)
    for number in range(rounds):
        _put(source / f"late-{number}.jsonl", rows)
        harvester.sync(f"file://{source}/", destination).raise_for_error()
        for name in FORMATS:
            kills = _killed(destination, folder / name, name, chance)
            harvester.export(destination, str(folder / name), harvester.ExportOptions(format=name))
            found, wanted = _exported(folder / name, name), _landed(destination)
            missing, repeated = wanted - found, found - wanted
            print(f"{number:>4}  {name}: {kills} kills, {found.total():,} rows", flush=True)
            if missing or repeated:
                print(f"BROKEN: {missing.total()} missing, {repeated.total()} repeated")
                print(f"repeat with: scripts/soak --export --seed {seed}")
                return 1
    return 0


def _put(path: Path, rows: int) -> None:
    path.write_text("\n".join(json.dumps({"url": f"https://x/{path.name}/{row}"}) for row in range(rows)))


def _exported(output: Path, name: str) -> Counter[tuple[str, str, int]]:
    """Return what identifies each row of the tables."""
    found: Counter[tuple[str, str, int]] = Counter()
    if name == "delta":
        from deltalake import DeltaTable

        columns = DeltaTable(str(output / "data" / "job_rows")).to_pyarrow_table().select(_IDENTITY).to_pydict()
        return Counter(zip(*columns.values(), strict=True))
    for path in (output / "data").rglob("*.*"):
        if name == "parquet":
            columns = pq.ParquetFile(path).read(columns=_IDENTITY).to_pydict()
            found.update(zip(*columns.values(), strict=True))
        else:
            with pa.CompressedInputStream(str(path), "zstd") as stream:
                for line in stream.read().splitlines():
                    row = json.loads(line)
                    found[row["key"], row["version"], row["row_index"]] += 1
    return found


def _landed(destination: Path) -> Counter[tuple[str, str, int]]:
    return Counter((row.key, row.version, row.row) for row in harvester.read(destination))


def _killed(destination: Path, output: Path, name: str, chance: random.Random) -> int:
    """Start exports with part sizes of their own, and kill some; return how many."""
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "harvester",
                "export",
                destination,
                "--to",
                output,
                "--as",
                name,
                "--part-size",
                chance.choice(_SIZES),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    kills = 0
    for process in running:
        time.sleep(chance.uniform(0, _LONGEST_DELAY))
        if process.poll() is None and chance.random() < 0.8:
            process.kill()
            kills += 1
        process.wait()
    return kills
