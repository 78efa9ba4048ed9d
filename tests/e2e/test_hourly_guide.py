"""docs/guides/run-every-hour.md: its script runs as written, silent on success, with the reasons on failure."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.commands.installed_command import Ended, environment
from scripts.commands.installed_command import run as program
from tests.e2e.sources import Directory, result

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "run-every-hour.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def placed(language: str, source: Directory, tmp_path: Path) -> str:
    """Return the page's one block of a language with the test's own location and directories."""
    (text,) = blocks(language)
    for shown, ours in {
        "s3://my-bucket/results/": source.location,
        "/var/lib/nimble/results": str(tmp_path / "results"),
        "/var/lib/nimble/tables": str(tmp_path / "tables"),
    }.items():
        assert shown in text
        text = text.replace(shown, ours)
    return text


@pytest.fixture
def script(source: Directory, tmp_path: Path) -> Path:
    text = placed("sh", source, tmp_path)
    script = tmp_path / "nimble-hourly"
    script.write_text(text)
    script.chmod(0o755)
    return script


def run(script: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run([script], env=environment(PATH=path), capture_output=True, text=True, check=False)


def test_the_script_lands_exports_and_is_silent_until_something_is_wrong(
    script: Path, source: Directory, tmp_path: Path
) -> None:
    source.put("a.json", result(1))
    first = run(script)
    again = run(script)

    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(list((tmp_path / "tables").rglob("*.parquet"))) == 1

    source.put("b.json", b"{")
    source.put("c.json", result(2))
    broken = run(script)

    assert broken.returncode == 3
    assert "b.json" in broken.stderr
    assert "quarantined" in broken.stderr
    assert f"nimble-harvester status {tmp_path}/results --problems" in broken.stderr
    assert len(list((tmp_path / "tables").rglob("*.parquet"))) == 2


def test_a_run_that_cannot_list_ends_with_the_reason_and_exports_nothing(script: Path, tmp_path: Path) -> None:
    (tmp_path / "source").rmdir()
    failed = run(script)

    assert failed.returncode == 5
    assert "no such directory" in failed.stderr
    assert not (tmp_path / "tables").exists()


def test_the_units_are_readable_and_the_crontab_has_one_job() -> None:
    service, timer = blocks("ini")
    for text, section in ((service, "Service"), (timer, "Timer")):
        parser = configparser.ConfigParser(strict=False)
        parser.read_string(text)
        assert parser.has_section(section)
    assert "ExecStart=/usr/local/bin/nimble-hourly" in service
    (crontab,) = blocks("crontab")
    assert [line.split()[5:] for line in crontab.splitlines()[1:]] == [["/usr/local/bin/nimble-hourly"]]


def test_the_configuration_file_takes_the_same_steps(source: Directory, tmp_path: Path) -> None:
    text = placed("toml", source, tmp_path)
    config = tmp_path / "config.toml"
    config.write_text(text)
    source.put("a.json", result(1))
    assert program("--config", config, "config", "check").code == 0
    assert program("--config", config, "run", "-q") == Ended(0, "", "")
    assert (tmp_path / "tables").is_dir()
    source.put("bad.json", b"{")
    failed = program("--config", config, "run", "-q")
    assert failed.code == 3
    assert "bad.json" in failed.err
