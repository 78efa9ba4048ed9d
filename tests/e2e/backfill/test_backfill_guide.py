"""The commands of the guide to backfills, run in their order as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from scripts.commands.installed_command import COMMAND, environment
from tests.e2e.backfill.backfills import fill, status, visible_rows
from tests.e2e.sources import Directory, result

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "backfill.md"


def test_the_commands_of_the_guide(source: Directory, tmp_path: Path) -> None:
    rows = fill(source, 16)
    out = tmp_path / "out"
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 7
    variables = environment(PATH=f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}")
    for number, block in enumerate(blocks):
        script = block.replace("s3://my-bucket/results/", source.location).replace("s3://warehouse/nimble", str(out))
        if "--start-after-backfill" in script:
            assert visible_rows(out) == rows
            rows[(source.put("later.json", result(500)), 0)] += 1
        ended = subprocess.run(
            ["sh", "-ec", script], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, (number, script, ended.stderr)
    assert visible_rows(out) == rows
    assert status(out)["counts"]["landed"] == 16
    landed = [path for path in (tmp_path / "results").rglob("*.json") if ".nimble-harvester" not in path.parts]
    assert [path.name for path in landed] == ["later.json"]


def test_the_python_of_the_guide(source: Directory, tmp_path: Path) -> None:
    rows = fill(source, 6)
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    program = block.replace("s3://my-bucket/results/", source.location)
    program = program.replace("s3://warehouse/nimble", str(tmp_path / "out")).replace("100", "2")
    exec(compile(program, str(GUIDE), "exec"), {})
    assert visible_rows(tmp_path / "out") == rows
