"""What an export cannot do without: read every row of a destination, and compress its text.

Run as ``python -m scripts.benchmark.floors.read_and_compress DEST``; zstd at the level of an export, a MiB at a time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa

import harvester

_BLOCK_BYTES = 1024**2


def main() -> None:
    """Read and compress the rows of a destination."""
    codec = pa.Codec("zstd", 1)
    texts: list[bytes] = []
    gathered = 0
    for row in harvester.read(Path(sys.argv[1])):
        texts.append(row.text)
        gathered += len(row.text)
        if gathered >= _BLOCK_BYTES:
            codec.compress(b"\n".join(texts))
            texts, gathered = [], 0
    codec.compress(b"\n".join(texts))


if __name__ == "__main__":
    main()
