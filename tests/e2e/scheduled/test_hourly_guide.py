"""docs/guides/run-every-hour.md: every scheduler's job runs as written, silent on success, with reasons on failure.

cron is played by an empty environment, a shell and one pipe for both streams: what comes out of it is the mail. Airflow
and kubernetes-validate are too heavy for the development environment; ``scripts/guide_tools`` installs them into one of
their own.
"""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.commands.installed_command import COMMAND, Ended, run
from tests.e2e.sources import Directory, result

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "guides" / "run-every-hour.md").read_text(encoding="utf-8")
TOOLS = ROOT / ".venv-guides" / "bin" / "python"
INSTALLED = "/usr/local/bin/nimble-harvester"
needs_tools = pytest.mark.skipif(not TOOLS.exists(), reason="Airflow is not installed: scripts/guide_tools")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def home(source: Directory, tmp_path: Path) -> Path:
    """A home whose configuration is the page's, with the location and the directories of the test."""
    (text,) = blocks("toml")
    for shown, ours in {"s3://my-bucket/results/": source.location, "/var/lib/nimble/": f"{tmp_path}/"}.items():
        assert shown in text
        text = text.replace(shown, ours)
    config = tmp_path / "home" / ".config" / "nimble-harvester" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    return tmp_path / "home"


def as_cron(command: str, home: Path) -> tuple[int, str]:
    """Run a command line as cron does; return its exit code and the mail."""
    ended = subprocess.run(
        ["/bin/sh", "-c", command.replace(INSTALLED, COMMAND)],
        env={"HOME": str(home), "LOGNAME": "nimble", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def command_of_crontab() -> str:
    (crontab,) = blocks("crontab")
    mailto, job = crontab.splitlines()
    assert mailto.startswith("MAILTO=")
    return job.split(maxsplit=5)[5]


def test_cron_mails_nothing_after_a_good_run_and_all_a_person_needs_after_a_bad_one(
    home: Path, source: Directory, tmp_path: Path
) -> None:
    source.put("a.json", result(1))
    assert run("--config", home / ".config/nimble-harvester/config.toml", "config", "check").code == 0
    assert as_cron(command_of_crontab(), home) == (0, "")
    assert len([*(tmp_path / "tables").rglob("*.parquet")]) == 1
    source.put("bad.json", b"{")
    source.put("c.json", result(2))
    code, mail = as_cron(command_of_crontab(), home)
    assert code == 3
    # What is good is exported all the same.
    assert len([*(tmp_path / "tables").rglob("*.parquet")]) == 2
    (shown,) = blocks("text")
    for there, here in {"/var/lib/nimble/": f"{tmp_path}/", "e.g. results/": f"e.g. {source.path}/"}.items():
        shown = shown.replace(there, here)
    assert without_times(mail) == without_times(shown)
    assert as_cron(command_of_crontab(), home) == (0, "")


def without_times(mail: str) -> str:
    return re.sub(r"\d+\.\d s\n", "TIME\n", mail)


def test_a_source_that_is_gone_stops_the_pipeline_with_the_reason(
    home: Path, source: Directory, tmp_path: Path
) -> None:
    source.path.rmdir()
    code, mail = as_cron(command_of_crontab(), home)
    assert code == 5
    assert mail.startswith("error: no such directory")
    assert "results: sync ended with exit 5: " in mail
    assert not (tmp_path / "tables").exists()


def test_the_units_of_systemd_start_the_same_command(home: Path, source: Directory, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    service, timer = blocks("ini")
    parsed = configparser.ConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # names of units have capitals
    parsed.read_string(service)
    parsed.read_string(timer)
    assert parsed["Timer"]["OnCalendar"] == "hourly"
    assert as_cron(parsed["Service"]["ExecStart"], home) == (0, "")
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name, text in (("nimble-hourly.service", service), ("nimble-hourly.timer", timer)):
        (tmp_path / name).write_text(text.replace(INSTALLED, COMMAND))
    checked = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("nimble-hourly.*")))],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in checked.stderr.splitlines() if "nimble-hourly" in line]
    assert complaints == []


@pytest.fixture
def manifests() -> list[dict[str, Any]]:
    (text,) = blocks("yaml")
    return list(yaml.safe_load_all(text))


def test_the_pod_runs_the_configuration_of_its_manifest(
    manifests: list[dict[str, Any]], source: Directory, tmp_path: Path
) -> None:
    config_map, job = manifests
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    text = config_map["data"]["config.toml"].replace("s3://my-bucket/results/", source.location)
    (tmp_path / "config.toml").write_text(text.replace("/data/", f"{tmp_path}/data/"))
    arguments = [argument.replace("/config/", f"{tmp_path}/") for argument in container["args"]]
    source.put("a.json", result(1))
    assert log_end(run(*arguments))["exit_code"] == 0
    source.put("bad.json", b"{")
    end = log_end(run(*arguments))
    assert (end["exit_code"], end["retryable"]) == (3, False)
    assert [(step["step"], step["exit_code"]) for step in end["steps"]] == [("sync", 3), ("freshness", 0)]


def log_end(ended: Ended) -> dict[str, Any]:
    """Return the last line of a log of JSON lines."""
    lines = [json.loads(line) for line in ended.err.splitlines()]
    assert [line["event"] for line in lines if "steps" in line] == ["end"]
    assert lines[-1]["exit_code"] == ended.code
    end: dict[str, Any] = lines[-1]
    return end


@needs_tools
def test_kubernetes_takes_the_manifests(manifests: list[dict[str, Any]], tmp_path: Path) -> None:
    for number, manifest in enumerate(manifests):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(manifest))
        checked = subprocess.run(
            [str(TOOLS.with_name("kubernetes-validate")), "--strict", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_tools
def test_airflow_loads_the_dag_and_runs_its_command(home: Path, source: Directory, tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (text,) = blocks("python")
    (dags / "nimble.py").write_text(text)
    program = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
dag = bag.dags["nimble_results"]
print(json.dumps([bag.import_errors, dag.schedule, [task.bash_command for task in dag.tasks]]))
"""
    ended = subprocess.run(
        [str(TOOLS), "-c", program, str(dags)],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "AIRFLOW_HOME": str(tmp_path / "airflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    errors, schedule, commands = json.loads(ended.stdout.splitlines()[-1])
    assert (errors, schedule) == ({}, "17 * * * *")
    (command,) = commands
    source.put("bad.json", b"{")
    code, log = as_cron(command, home)
    assert code == 3
    assert json.loads(log.splitlines()[-1])["exit_code"] == 3


def test_the_checks_of_another_machine_run(home: Path, source: Directory, tmp_path: Path) -> None:
    source.put("a.json", result(1, metadata={"agent": "pdp"}))
    assert as_cron(command_of_crontab(), home)[0] == 0
    checks = blocks("sh")[-1].replace("/var/lib/nimble/", f"{tmp_path}/").replace("report.html", f"{tmp_path}/r.html")
    code, printed = as_cron(checks.replace("nimble-harvester ", f"{COMMAND} "), home)
    assert (code, printed.startswith(f"{tmp_path}/r.html: ")) == (0, True)
