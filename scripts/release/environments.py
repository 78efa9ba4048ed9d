"""Virtual environments that hold the built wheel, with the extras that are asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
_MADE_WITH = "made-with"
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "SSL_CERT_FILE")


class CheckFailed(Exception):
    """Something is not as it is published to be."""


def run(
    *command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None, may_fail: bool = False
) -> str:
    """Run a command and return its output. Raises CheckFailed, with the end of the output, when it fails."""
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=own_environment() | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode and not may_fail:
        shown = " ".join(map(str, command))
        raise CheckFailed(f"exit {ended.returncode}: {shown}\n{ended.stdout[-3000:]}")
    return ended.stdout


def own_environment() -> dict[str, str]:
    """Return the environment of a build or an installation: nothing of this project's own variables."""
    return {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}


def build_wheel(folder: Path) -> Path:
    """Build the wheel into an empty folder and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(BUILD / "lib", ignore_errors=True)  # setuptools would add modules of earlier builds
    run(sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, *, extras: Sequence[str] = (), python: str = sys.executable) -> Path:
    """Make an environment without pip that holds the wheel and its extras; return its folder of programs.

    The packages are installed anew only when the requirements have changed since; the wheel always.
    """
    programs = folder / "bin"
    requirements = (ROOT / "pyproject.toml").read_bytes() + (ROOT / "constraints.txt").read_bytes()
    wanted = f"{python} {','.join(extras)} {hashlib.sha256(requirements).hexdigest()}"
    made_with = folder / _MADE_WITH
    name = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    pip = (sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "-qq")
    if not made_with.exists() or made_with.read_text() != wanted:
        run(python, "-m", "venv", "--clear", "--without-pip", folder)
        run(*pip, "-c", ROOT / "constraints.txt", name)
        made_with.write_text(wanted)
    else:
        run(*pip, "--no-deps", "--force-reinstall", wheel)
    return programs


def megabytes(folder: Path) -> float:
    """Return the size of an environment's packages, compiled modules included, in megabytes of 10**6 bytes."""
    run(folder / "bin" / "python", "-m", "compileall", "-q", folder / "lib", may_fail=True)
    files = (path for path in folder.rglob("site-packages/**/*") if path.is_file())
    return sum(path.lstat().st_size for path in files) / 1e6


def packages(folder: Path) -> int:
    """Return how many distributions an environment holds."""
    return len(list(folder.rglob("site-packages/*.dist-info")))
