"""The hourly script of the guide, run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from scripts.commands.installed_command import COMMAND, environment, run, sync_report
from tests.e2e.sources import Directory

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "load-a-warehouse.md"


def deliver(source: Directory, hour: int, price: object = 1.5) -> None:
    for number in range(20):
        parsing = {"title": f"t{number}", "price": price}
        document = {"status": "success", "data": {"parsing": parsing}, "metadata": {"agent": "shop"}}
        source.put(f"{hour}/{number}.json", json.dumps(document).encode())


def hour(source: Directory, dest: Path, folder: Path) -> int:
    (script,) = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    path = folder / "hourly"
    path.write_text(script)
    variables = environment(PATH=f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}")
    command = ["sh", str(path), source.location, str(dest), str(folder / "out")]
    return subprocess.run(command, cwd=folder, env=variables, check=False).returncode


def test_the_hourly_script(source: Directory, dest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def exported() -> Counter[str]:
        table = pyarrow.dataset.dataset(out / "data" / "envelopes", format="parquet").to_table(columns=["key"])
        return Counter(table.column("key").to_pylist())

    deliver(source, 1)
    assert hour(source, dest, tmp_path) == 0
    assert len(exported()) == 20
    assert set(exported().values()) == {1}
    assert hour(source, dest, tmp_path) == 0
    source.put("2/bad.json", b"{")
    deliver(source, 2)
    # Reported once; the others are in the tables.
    assert hour(source, dest, tmp_path) == 3
    assert len(exported()) == 40
    assert hour(source, dest, tmp_path) == 0


def test_the_hourly_script_reports_what_changed(source: Directory, dest: Path, tmp_path: Path) -> None:
    deliver(source, 1)
    sync_report(source.location, dest)
    assert run("profile", dest, "--accept").code == 0
    for number in range(2, 8):
        deliver(source, number, price=None)
    assert hour(source, dest, tmp_path) == 16
    assert "fill rate dropped: shop price" in (tmp_path / "profile.txt").read_text()
    report = json.loads(run("export", dest, "--to", tmp_path / "out", "--format", "json").out)
    assert report["tables"]["envelopes"]["parts"] == 0


@pytest.mark.parametrize("package", ["pandas", "polars", "pyarrow"])
def test_the_tables_are_read_as_the_guide_shows(source: Directory, dest: Path, tmp_path: Path, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed: its recipe is not run")
    deliver(source, 1)
    sync_report(source.location, dest)
    assert run("export", dest, "--to", tmp_path / "out").code == 0
    (recipe,) = re.findall(rf"```python\n(import {package}\b.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(recipe.replace("OUT", str(tmp_path / "out")), names)
    found = names["rows"] if "rows" in names else names["batch"]
    assert len(found) == 20
    if package == "polars":
        assert found["price"].to_list() == [1.5] * 20
