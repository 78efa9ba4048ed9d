"""Check what is published, print a table of what was tested, and write it into docs/reference/tested.md.

Builds wheel and source distribution into dist/, checks their metadata and contents, installs the base, each extra and
all of them into environments of their own, and runs scripts/test of the unpacked source distribution on every Python
that is found.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from harvester.extras import EXTRAS
from scripts.documents.readme_examples import README
from scripts.release.base_check import check_base
from scripts.release.environments import BUILD, ROOT, CheckFailed, build_wheel, install, megabytes, packages, run

PAGE = ROOT / "docs" / "reference" / "tested.md"
BEGIN, END = "<!-- scripts/release_check writes from here -->", "<!-- to here -->"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MOST_MEGABYTES = 150.0
"""Bound on the base installation."""
_TOLERANCE = 5.0
"""Megabytes by which a size may differ from the README's: wheels of other Pythons differ a little."""


class Row(NamedTuple):
    """One line of the table."""

    what: str
    """What was tested."""
    result: str
    """The result: a size or "passes", or why it was not tested."""
    failed: bool = False
    """Whether a check failed."""


def main() -> int:
    """Run the checks; return 1 when one failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/release_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--without-tests", action="store_true", help="leave scripts/test of the unpacked sdist out")
    parser.add_argument("--document", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    rows = []
    for row in checks(tests=not options.without_tests):
        print(f"{'FAILED' if row.failed else 'ok'}: {row.what}: {row.result}", file=sys.stderr, flush=True)
        rows.append(row)
    text = table(rows)
    print(text)
    if options.document:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
    return int(any(row.failed for row in rows))


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown, with the date, the machine and the revision."""
    lines = [f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {revision()}.", ""]
    lines += ["| tested | result |", "| --- | --- |"]
    lines += [f"| {row.what} | {'**failed**: ' if row.failed else ''}{row.result} |" for row in rows]
    return "\n".join(lines)


def revision() -> str:
    """Return the commit that is checked out, marked where files differ from it."""
    try:
        return f"revision {run('git', 'describe', '--always', '--dirty', '--exclude', '*').strip()}"
    except (CheckFailed, OSError):
        return "no checkout"


def checks(*, tests: bool) -> Iterator[Row]:
    """Run every check, one after the other."""
    dist = ROOT / "dist"
    wheel = build_wheel(dist)
    run(sys.executable, "-m", "venv", "--clear", BUILD / "release-tools")
    tools = BUILD / "release-tools" / "bin"
    run(tools / "python", "-m", "pip", "install", "-qq", "-c", ROOT / "constraints.txt", *requirements())
    run(tools / "python", "-m", "build", "--sdist", "--outdir", dist, ROOT)
    (sdist,) = dist.glob("*.tar.gz")
    yield checked("metadata: twine check --strict", lambda: run(tools / "twine", "check", "--strict", wheel, sdist))
    yield checked("contents of the wheel: check-wheel-contents", lambda: run(tools / "check-wheel-contents", wheel))
    yield checked("Dockerfile: hadolint", lambda: run(tools / "hadolint", ROOT / "Dockerfile"))
    yield image()
    yield from installations(wheel)
    for version in PYTHONS:
        yield source_tests(sdist, version, tests=tests)


def requirements() -> list[str]:
    """Return the packages of the release extra."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named: list[str] = project["optional-dependencies"]["release"]
    return named


def checked(what: str, check: Callable[[], object]) -> Row:
    """Return the row of a check that raises CheckFailed when it fails."""
    try:
        check()
    except (CheckFailed, OSError) as failed:
        print(failed, file=sys.stderr)
        return Row(what, str(failed).splitlines()[0], failed=True)
    return Row(what, "passes")


def image() -> Row:
    """Build the image where a Docker daemon answers."""
    what = "image: docker build, and its command without network on a read-only file system"
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        return Row(what, "not built: no Docker daemon")

    def build() -> None:
        run(docker, "build", "--tag", "nimble-harvester:check", ROOT)
        run(docker, "run", "--rm", "--read-only", "--network", "none", "nimble-harvester:check", "--version")

    return checked(what, build)


def installations(wheel: Path) -> Iterator[Row]:
    """Install the base, each extra and all of them; the base alone must work, with one error for each extra."""
    folders = BUILD / "release"
    everything = install(wheel, folders / "all", extras=["all"])
    base = install(wheel, folders / "base")
    with tempfile.TemporaryDirectory() as folder:
        name = "base installation: the commands of README.md; one error for each missing extra"
        yield checked(name, lambda: check_base(base, everything, Path(os.path.realpath(folder))))
    stated, base_size = stated_megabytes(), 0.0
    for name in ("base", *(extra.name for extra in EXTRAS), "all"):
        extras = [] if name == "base" else [name]
        programs = install(wheel, folders / name, extras=extras)
        size = megabytes(folders / name)
        row = checked(
            f"pip install nimble-harvester{f'[{name}]' if extras else ''}",
            lambda programs=programs: run(  # type: ignore[misc]
                sys.executable, "-m", "pip", "--python", programs / "python", "check"
            ),
        )
        shown = f"{size:.0f} MB, {packages(folders / name)} packages, pip check clean"
        added = size - base_size
        if name == "base":
            base_size = size
        if abs(added - stated.get(name, 0)) > _TOLERANCE:
            shown += f", but README.md states {stated.get(name, 0)} MB, not {added:.0f}"
        is_wrong = abs(added - stated.get(name, 0)) > _TOLERANCE or base_size > MOST_MEGABYTES
        yield row if row.failed else Row(row.what, shown, failed=is_wrong)


def stated_megabytes() -> dict[str, int]:
    """Return what README.md states: the size of ``base``, and what each extra adds to it."""
    rows = re.findall(r"^\| [`(\[]+(\w+)[`)\]]+ \|.*\| (\d+) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(number) for name, number in rows}


def source_tests(sdist: Path, version: str, *, tests: bool) -> Row:
    """Run scripts/test of the unpacked source distribution on a Python, if it is found."""
    what = f"scripts/test of the unpacked source distribution, Python {version}"
    python = find_python(version)
    if python is None:
        return Row(what, "untested: not found")
    exact = run(python, "-c", "import platform; print(platform.python_version())").strip()
    if not tests:
        return Row(what, f"not run ({exact})")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        (source,) = Path(folder).iterdir()
        outputs: list[str] = []
        row = checked(
            what,
            lambda: outputs.append(run(source / "scripts" / "test", cwd=source, environment={"PYTHON": python})),
        )
    if row.failed:
        return row
    counts = re.findall(r"^(\d+ passed.*) in .*$", outputs[0], re.MULTILINE)
    return Row(what, f"passes: {', '.join(counts)} ({exact})")


def find_python(version: str) -> str | None:
    """Return an interpreter of a version: this one, one in PATH, one of pyenv, or one of uv."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    candidates = [shutil.which(f"python{version}") or ""]
    for folder in ("~/.pyenv/versions", "~/.local/share/uv/python"):
        candidates += [str(path) for path in sorted(Path(folder).expanduser().glob(f"*{version}.*/bin/python3"))]
    for candidate in candidates:
        # A shim of pyenv answers only where its version is selected.
        command = [candidate, "-c", "import venv, ensurepip"]
        if candidate and not subprocess.run(command, capture_output=True, check=False).returncode:
            return candidate
    return None


if __name__ == "__main__":
    sys.exit(main())
