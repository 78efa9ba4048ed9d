"""The examples of docs/python.md run as they stand, one after the other in one program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.nimble_api import NimbleApi, Scenario
from tests.e2e.program import environment, result

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_examples_run(s3: S3Client, s3_bucket: str, tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 4
    program = tmp_path / "program.py"
    program.write_text("\n".join(examples).replace("acme-results", s3_bucket))
    s3.put_object(Bucket=s3_bucket, Key="nimble/task-1.json", Body=result(1))
    tasks = [{"id": f"task-{number}", "state": "success", "batch_id": "batch-1"} for number in (1, 2)]
    scenario = Scenario(tasks=tasks, batches=[{"id": "batch-1", "tasks": ["task-1", "task-2"], "looks": 0}])
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
    assert lines[0] == "holds"
    assert "1 landed, 0 quarantined" in lines
    assert lines[-2:] == ["task-1 landed ", "task-2 landed "]
