"""File systems of other habits than this machine's own, mounted where that is allowed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAMS = ("mkfs.exfat", "mount.exfat-fuse", "losetup", "umount")
EXFAT_REFUSES = frozenset('"*/:<>?\\|')
"""Characters that exFAT takes in no name, besides control characters."""


@contextmanager
def exfat(folder: Path) -> Iterator[Path]:
    """Mount an empty exFAT below ``folder``: it folds case, refuses characters, knows neither links nor modes.

    Skips the test where it cannot be had.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, _PROGRAMS)):
        pytest.skip("exFAT, which folds case, needs root and Debian's exfat-fuse and exfatprogs")
    image, mounted = folder / "exfat.image", folder / "exfat"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(96 << 20)
    device = ""
    try:
        _run("mkfs.exfat", str(image))
        device = _run("losetup", "--find", "--show", str(image))
        _run("mount.exfat-fuse", device, str(mounted))
        until = time.monotonic() + 10
        while not mounted.is_mount() and time.monotonic() < until:
            time.sleep(0.05)
        if not mounted.is_mount():
            pytest.skip("exFAT, which folds case, cannot be mounted here")
        yield mounted
    except subprocess.CalledProcessError as error:
        pytest.skip(f"exFAT, which folds case, cannot be mounted here: {error}")
    finally:
        subprocess.run(["umount", "-l", mounted], check=False, capture_output=True)
        if device:
            subprocess.run(["losetup", "--detach", device], check=False, capture_output=True)
        image.unlink()


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a small file system, where privileges allow it."""
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def folding(folder: Path) -> Iterator[Path]:
    """Mount a file system below ``folder`` that folds case and normal forms, see folding_fs.

    Skips the test where it cannot be had.
    """
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or not importlib.util.find_spec("mfusepy"):
        pytest.skip("a file system that folds normal forms needs /dev/fuse, libfuse and mfusepy")
    backing, mounted = folder / "backing", folder / "folding"
    backing.mkdir()
    mounted.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.rigs.folding_fs", backing, mounted],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while not mounted.is_mount() and server.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        if not mounted.is_mount():
            pytest.skip("a file system that folds normal forms cannot be mounted here")
        yield mounted
    finally:
        subprocess.run(["umount", "-l", mounted], check=False, capture_output=True)
        server.terminate()
        server.wait()


def limited(folder: Path) -> dict[str, str]:
    """Return the environment of programs that heed ``WITHOUT_LOCKS`` and ``WITHOUT_SHARED_MEMORY``, each a folder.

    See limited_file_system.c, which is compiled into ``folder``; skips the test where that cannot be done.
    """
    library = folder / "limited.so"
    source = Path(__file__).with_name("limited_file_system.c")
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    if sys.platform != "linux" or shutil.which("cc") is None or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("a file system without locks or shared memory needs Linux and a C compiler")
    return {"LD_PRELOAD": str(library)}


def _run(*command: str) -> str:
    ended = subprocess.run(
        command,
        check=True,
        text=True,
        stdin=subprocess.DEVNULL,
        # The driver goes on in the background, and would hold a pipe open.
        stdout=subprocess.PIPE if command[0] == "losetup" else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return (ended.stdout or "").strip()
