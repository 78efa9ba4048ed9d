"""The Python examples of the documentation run as they stand, those of a page one after the other in one program."""

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

ROOT = Path(__file__).parents[2]


def printed(page: str, number: int, s3: S3Client, bucket: str, folder: Path) -> list[str]:
    """Run the examples of a page, ``number`` of them, on a bucket that holds one of a batch's two results."""
    examples = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == number
    program = folder / "program.py"
    program.write_text("\n".join(examples).replace("acme-results", bucket))
    s3.put_object(Bucket=bucket, Key="nimble/task-1.json", Body=result(1))
    tasks = [{"id": f"task-{number}", "state": "success", "batch_id": "batch-1"} for number in (1, 2)]
    scenario = Scenario(tasks=tasks, batches=[{"id": "batch-1", "tasks": ["task-1", "task-2"], "looks": 0}])
    with NimbleApi(scenario) as api:
        ended = subprocess.run(
            [sys.executable, "-W", "error", program],
            cwd=folder,
            env=environment(NIMBLE_API_KEY=scenario.api_key, NIMBLE_BASE_URL=api.url),
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_the_examples_run(s3: S3Client, s3_bucket: str, tmp_path: Path) -> None:
    lines = printed("docs/python.md", 4, s3, s3_bucket, tmp_path)
    assert lines[0] == "holds"
    place = lines.index("✓ Connection OK")
    assert lines[place + 1] == "no-go"  # nobody has opened this bucket
    assert "1 landed, 0 quarantined" in lines
    assert lines[-2:] == ["task-1 landed ", "task-2 landed "]


def test_the_example_of_the_readme_runs(s3: S3Client, s3_bucket: str, tmp_path: Path) -> None:
    lines = printed("README.md", 1, s3, s3_bucket, tmp_path)
    assert lines[0].startswith("holds ")
    assert lines[1:3] == ["✓ Connection OK", "no-go"]
    assert lines[-3:] == [
        "1 landed",
        f"1 task-1 {len(result(1))}",
        "{'task-1': 'landed', 'task-2': 'missing'}",
    ]
