"""Every command that prints or writes a name does so in UTF-8, whatever the locale's encoding is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.commands.installed_command import Ended, environment, run, tree
from scripts.servers.memory_s3 import MemoryS3
from tests.e2e.sources import Directory, result

NAMES = ("\u00fcn\u00ef/\u4e2d.json", "\u00fcn\u00ef/\U0001f600.json", "b\u00e4d.json")
PLAIN = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def built_locale(folder: Path) -> dict[str, str]:
    """Return the variables of a locale of ISO-8859-1 that is built in ``folder``."""
    if shutil.which("localedef") is None:
        pytest.skip("no localedef on this system")
    name = "xx_XX.ISO-8859-1"
    made = subprocess.run(
        ["localedef", "-i", "POSIX", "-f", "ISO-8859-1", folder / name], capture_output=True, text=True, check=False
    )
    if not (folder / name / "LC_CTYPE").exists():
        pytest.skip(f"the sources of locales are not installed here: {made.stderr.strip()}")
    return {"LOCPATH": str(folder), "LC_ALL": name}


@pytest.fixture(params=["C", "POSIX", "ISO-8859-1", "PYTHONIOENCODING"])
def locale(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "PYTHONIOENCODING":
        return {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"}
    if request.param == "ISO-8859-1":
        (tmp_path / "locales").mkdir()
        return {**PLAIN, **built_locale(tmp_path / "locales")}
    return {**PLAIN, "LC_ALL": str(request.param)}


def test_the_locale_that_is_built_has_another_encoding(tmp_path: Path) -> None:
    program = "import sys; print(sys.getfilesystemencoding())"
    variables = environment(**PLAIN, **built_locale(tmp_path))
    shown = subprocess.run(["python3", "-c", program], env=variables, capture_output=True, text=True, check=True)
    assert shown.stdout == "iso8859-1\n"


def test_names_are_printed_and_written_in_utf8(
    source: Directory, dest: Path, store: MemoryS3, tmp_path: Path, locale: dict[str, str]
) -> None:
    for number, name in enumerate(NAMES):
        source.put(name, b"{" if name.startswith("b") else result(number))
    first = run("sync", source.location, dest, "--format", "json", **locale)
    assert (first.code, set(first.problems)) == (3, {f"{source.path}/{NAMES[2]}"})
    assert NAMES[2] in first.err
    assert set(tree(dest)) == set(NAMES[:2])
    policy = tmp_path / "p\u00f6licy.json"
    policy.write_text(run("policy", "show", "--bucket", "bucket", "--mode", "async").out)
    (dest / NAMES[0]).rename(tmp_path / "moved")
    report = tmp_path / "r\u00e4port.html"
    place = f"s3://bucket/{NAMES[0]}"

    def same(*arguments: str | Path, shows: str = "", **variables: str) -> None:
        """Hold that a command prints in the locale what it prints in UTF-8."""
        shown, expected = run(*arguments, **locale, **variables), run(*arguments, LC_ALL="C.UTF-8", **variables)
        assert [without_times(each) for each in (shown, expected)] == [without_times(expected)] * 2
        printed = shown.out + shown.err
        assert shows in printed or json.dumps(shows)[1:-1] in printed

    same("verify", dest, "--format", "json", shows=NAMES[0])
    (tmp_path / "moved").rename(dest / NAMES[0])
    same("sync", source.location, dest, "--fail-on", "any", "--format", "jsonl", shows=NAMES[1])
    same("ls", source.location, shows=NAMES[1])
    same("ls", source.location, "--format", "json", shows=NAMES[1])
    same("cat", dest, "--meta", shows=NAMES[1])
    same("status", dest, "--problems", shows=NAMES[2])
    same("problems", "list", dest, "--format", "json", shows=NAMES[2])
    same("policy", "show", "--mode", "async", "--bucket", "bucket", "--prefix", f"{NAMES[0]}/", shows=NAMES[0])
    same("policy", "check", policy, "--mode", "async", "--bucket", "bucket")
    same("policy", "check", tmp_path / NAMES[0], "--mode", "async", "--bucket", "bucket", shows=NAMES[0])
    same("explain", f"{place}/", "--mode", "async", AWS_ENDPOINT_URL=store.url)
    assert run("report", dest, "--out", report, **locale).code == 0
    assert NAMES[2] in report.read_text(encoding="utf-8")
    assert run("export", dest, "--to", tmp_path / "\u00fcber", **locale).code == 0
    assert (tmp_path / "\u00fcber").is_dir()


def without_times(ended: Ended) -> tuple[int, str, str]:
    return ended.code, re.sub(r"[0-9]+", "0", ended.out), re.sub(r"[0-9]+", "0", ended.err)
