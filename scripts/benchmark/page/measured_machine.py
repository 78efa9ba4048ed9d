"""Describe the machine, the interpreter and the peers of a benchmark."""

from __future__ import annotations

import os
import platform
import sysconfig
from pathlib import Path

from harvester import __version__
from scripts.benchmark import peer_tools


def describe(server: str, peers: dict[str, str]) -> str:
    """Return what was measured with what, on which machine, as one paragraph."""
    versions = [
        f"{name}: {peer_tools.version(peers[name])}" if name in peers else f"{name}: absent"
        for name in peer_tools.PACKAGES
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = platform.release().partition("-")[0]
    machine = f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Linux {kernel}"
    ours = f"nimble-harvester {__version__}, Python {platform.python_version()}"
    fast = peer_tools.fast_gunzip()
    versions.append(f"fast decompressor: {fast or 'absent'}")
    return f"{ours} (build: {_build_flags()}), on {machine}. Server: {server}. Peers: {'; '.join(versions)}."


def _build_flags() -> str:
    """Return how the interpreter was built, as far as it changes its speed."""
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = [flag for flag in ("--enable-optimizations", "--with-lto") if flag in configured]
    compiler = sysconfig.get_config_var("OPT") or ""
    return " ".join([*flags, *(part for part in compiler.split() if part.startswith("-O"))]) or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds a folder."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]
