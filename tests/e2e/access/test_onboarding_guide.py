"""docs/guides/onboard-a-bucket.md: every command of it is run as written, and every snippet does what the page states.

The stand-in for Airflow holds nothing but the names the snippet imports; what counts is the command it hands on.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import pytest
import yaml

from scripts.commands.installed_command import environment
from scripts.servers.fault_proxy import FaultProxy
from tests.rigs.aws_answers import answer_as_new_bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "onboard-a-bucket.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


class Shell:
    """Runs the page's commands in a folder, on a bucket in the place of the page's."""

    def __init__(self, folder: Path, bucket: str) -> None:
        self.folder = folder
        self.bucket = bucket

    def run(self, script: str) -> int:
        ended = subprocess.run(
            ["bash", "-e", "-c", script.replace("my-bucket", self.bucket)],
            cwd=self.folder,
            env=environment(
                PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin", XDG_STATE_HOME=str(self.folder / "state")
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ended.stderr
        return ended.returncode


@pytest.fixture
def shell(s3_bucket: str, fault_proxy: FaultProxy, tmp_path: Path) -> Shell:
    answer_as_new_bucket(fault_proxy)
    return Shell(tmp_path, s3_bucket)


def test_every_shell_command_works_as_the_page_states(shell: Shell) -> None:
    scripts = blocks("sh")
    assert [len(script.splitlines()) for script in scripts] == [3, 3, 2]
    for script in scripts:
        assert shell.run(script) == 0, script
    assert (shell.folder / "preflight.json").stat().st_size


@pytest.fixture
def bash_command(monkeypatch: pytest.MonkeyPatch) -> str:
    """What the Airflow snippet hands to bash."""
    handed: dict[str, Any] = {}

    class Dag:
        def __init__(self, dag_id: str, **_: Any) -> None:
            assert dag_id

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    sdk, bash = ModuleType("airflow.sdk"), ModuleType("airflow.providers.standard.operators.bash")
    sdk.DAG = Dag  # type: ignore[attr-defined]
    bash.BashOperator = lambda **given: handed.update(given)  # type: ignore[attr-defined]
    names = ("airflow", "airflow.providers", "airflow.providers.standard", "airflow.providers.standard.operators")
    for module in (*map(ModuleType, names), sdk, bash):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    (snippet,) = blocks("python")
    exec(compile(snippet, "docs/guides/onboard-a-bucket.md", "exec"), {})
    assert handed["append_env"]  # or the credentials would not reach the command
    return str(handed["bash_command"])


def test_the_airflow_task_gates_the_job(shell: Shell, bash_command: str) -> None:
    assert shell.run(bash_command) == 10
    assert shell.run("nimble-harvester policy apply s3://my-bucket --mode jobs --yes") == 0
    assert shell.run(bash_command) == 0


def test_the_nightly_workflow_notices_an_edit(shell: Shell, s3: S3Client) -> None:
    workflow = yaml.safe_load(blocks("yaml")[0])
    assert workflow[True]["schedule"]  # YAML 1.1 reads "on" as true; GitHub does not
    steps = workflow["jobs"]["explain"]["steps"]
    (command,) = [step["run"] for step in steps if "name" in step]
    assert shell.run("nimble-harvester policy apply s3://my-bucket --mode jobs --yes") == 0
    assert shell.run("nimble-harvester explain s3://my-bucket --mode jobs --save baseline") == 0
    assert shell.run(command) == 0
    s3.delete_bucket_policy(Bucket=shell.bucket)
    assert shell.run(command) == 10


def test_the_hook_refuses_a_policy_that_keeps_nimble_out(shell: Shell) -> None:
    (hook,) = yaml.safe_load(blocks("yaml")[1])["repos"][0]["hooks"]
    assert re.search(hook["files"], "policies/my-bucket.json")
    assert shell.run("nimble-harvester policy show --mode jobs --bucket my-bucket > policy.json") == 0
    assert shell.run(f"{hook['entry']} policy.json") == 0
    assert shell.run("nimble-harvester policy show --mode async --bucket my-bucket > policy.json") == 0
    assert shell.run(f"{hook['entry']} policy.json") == 10
