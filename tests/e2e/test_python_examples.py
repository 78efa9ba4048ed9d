"""The examples of docs/python.md run as they stand, one after the other in one program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from scripts.nimble_api import NimbleApi, Scenario
from tests.e2e.program import environment, result
from tests.rigs.announcements import AnnouncedBucket
from tests.rigs.processes import ServerProcess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_examples_run(s3: S3Client, sqs: SQSClient, moto: ServerProcess, tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 5
    bucket = AnnouncedBucket(s3, sqs)
    bucket.notify()
    here = {
        "acme-results": bucket.name,
        "https://sqs.eu-west-1.amazonaws.com/111122223333/results": bucket.queue,
        "port=8080": "port=0",
    }
    text = "\n".join(examples)
    for shown, ours in here.items():
        assert shown in text
        text = text.replace(shown, ours)
    program = tmp_path / "program.py"
    program.write_text(text)
    bucket.deliver("nimble/task-1.json", result(1))
    tasks = [{"id": f"task-{number}", "state": "success", "batch_id": "batch-1"} for number in (1, 2)]
    tasks.append({"id": "task-3", "state": "success"})
    scenario = Scenario(tasks=tasks, batches=[{"id": "batch-1", "tasks": ["task-1", "task-2"], "looks": 0}])
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
    assert "1 landed, 0 quarantined" in lines
    assert lines[-6:-4] == ["task-1 landed", "task-2 landed"]
    assert lines[-3] == "2 messages"  # of the first result, and the test event S3 begins with
    assert lines[-1] == "nimble/task-3.json landed {'accepted': 1}"
