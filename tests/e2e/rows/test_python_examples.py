"""The Python examples of the documentation run as they stand, those of a page one after the other in one program."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from scripts.commands.installed_command import environment
from scripts.inputs.announcements import AnnouncedBucket
from scripts.servers.nimble_server import NimbleApi, Scenario
from scripts.servers.server_process import ServerProcess
from tests.e2e.sources import result

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[3]


def program_of(page: str, number: int, here: Mapping[str, str], folder: Path) -> Path:
    """Write the examples of a page, ``number`` of them, as one program; ``here`` holds what stands for what."""
    examples = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == number
    text = "\n".join(examples)
    for shown, ours in here.items():
        assert shown in text
        text = text.replace(shown, ours)
    program = folder / "program.py"
    program.write_text(text)
    return program


def expected() -> Scenario:
    """Return two tasks of a batch, and one of none."""
    tasks = [{"id": f"task-{number}", "state": "success", "batch_id": "batch-1"} for number in (1, 2)]
    tasks.append({"id": "task-3", "state": "success"})
    return Scenario(tasks=tasks, batches=[{"id": "batch-1", "tasks": ["task-1", "task-2"], "looks": 0}])


def test_the_examples_run(s3: S3Client, sqs: SQSClient, moto: ServerProcess, tmp_path: Path) -> None:
    bucket = AnnouncedBucket(s3, sqs)
    bucket.notify()
    here = {
        "acme-results": bucket.name,
        "https://sqs.eu-west-1.amazonaws.com/111122223333/results": bucket.queue,
        "port=8080": "port=0",
    }
    program = program_of("docs/guides/python.md", 5, here, tmp_path)
    bucket.deliver("nimble/task-1.json", result(1))
    scenario = expected()
    lines = []
    with NimbleApi(scenario) as api, (tmp_path / "errors").open("w+") as errors:
        variables = environment(NIMBLE_API_KEY=scenario.api_key, NIMBLE_BASE_URL=api.url, AWS_ENDPOINT_URL=moto.url)
        with subprocess.Popen(
            [sys.executable, "-u", "-W", "error", program],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as running:
            assert running.stdout is not None
            for line in running.stdout:
                lines.append(line.strip())
                if " are announced to " in line:
                    bucket.deliver("nimble/task-3.json", result(3))
                    body = {"task": {"id": "task-3", "state": "success"}}
                    assert httpx.post(f"{line.split()[-1]}/a-long-secret", json=body).status_code == 200
        errors.seek(0)
        assert running.returncode == 0, errors.read()
    assert lines[0] == "holds"
    place = lines.index("✓ Connection OK")
    assert lines[place + 1] == "no-go"  # this bucket grants nothing yet
    assert "1 landed, 0 quarantined" in lines
    assert lines[-6:-4] == ["task-1 landed", "task-2 landed"]
    assert lines[-3] == "2 messages"  # of the first result, and the test event S3 begins with
    assert lines[-1] == "nimble/task-3.json landed {'accepted': 1}"


def test_the_example_of_the_readme_runs(s3: S3Client, s3_bucket: str, tmp_path: Path) -> None:
    program = program_of("README.md", 1, {"acme-results": s3_bucket}, tmp_path)
    s3.put_object(Bucket=s3_bucket, Key="nimble/task-1.json", Body=result(1))
    scenario = expected()
    with NimbleApi(scenario) as api:
        ended = subprocess.run(
            [sys.executable, "-W", "error", program],
            cwd=tmp_path,
            env=environment(NIMBLE_API_KEY=scenario.api_key, NIMBLE_BASE_URL=api.url),
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("holds ")
    assert lines[1:3] == ["✓ Connection OK", "no-go"]
    assert lines[-3:] == [
        "1 landed",
        f"1 task-1 {len(result(1))}",
        "{'task-1': 'landed', 'task-2': 'missing'}",
    ]
