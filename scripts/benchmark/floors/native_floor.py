"""Build and call the native floor, a C program, where a compiler is found."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from scripts.benchmark.input_data import Bucket

SOURCE = Path(__file__).with_suffix(".c")
_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-O3", "-march=native", "-Wno-deprecated-declarations")
_LIBRARIES = ("-lz", "-lcrypto", "-lpthread")
_THREADS_PER_CORE = 4


def build(folder: Path) -> tuple[Path | None, str]:
    """Compile the program into ``folder``; return it, or None and why there is none."""
    compiler = next((found for name in _COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        return None, "no C compiler was found"
    program = folder / "native_floor"
    command = [compiler, *_FLAGS, "-o", str(program), str(SOURCE), *_LIBRARIES]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        lines = built.stderr.splitlines()
        return None, f"{Path(compiler).name} failed: {next((line for line in lines if 'error' in line), lines[-1])}"
    return program, ""


def command(program: Path, endpoint: str, bucket: Bucket, index: Path, destination: Path) -> list[str]:
    """Return the command that copies a bucket; write the index it reads. The destination must exist."""
    index.write_text("".join(f"{entry.key} {entry.etag}\n" for entry in bucket.entries), encoding="utf-8")
    address = urlsplit(endpoint)
    threads = _THREADS_PER_CORE * (os.cpu_count() or 1)
    return [
        *(str(program), str(address.hostname), str(address.port), bucket.name, str(index), str(destination)),
        str(threads),
    ]
