"""What is published: licence, metadata, links, and what the source distribution holds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_licence_is_the_one_that_is_stated() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_the_readme_states_that_the_project_is_not_affiliated() -> None:
    assert "not affiliated with Nimble" in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


# setup.py with a setup() that prints what it is given: the build's own needs a newer setuptools than a venv has.
PRINT_PAGE = """
import json, runpy, sys, types
sys.modules["setuptools"] = types.SimpleNamespace(setup=lambda **given: print(json.dumps(given)))
runpy.run_path("setup.py")
"""


def test_the_published_page_has_no_relative_link() -> None:
    printed = subprocess.run([sys.executable, "-c", PRINT_PAGE], cwd=ROOT, capture_output=True, text=True, check=True)
    page = json.loads(printed.stdout)["long_description"]
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_the_source_distribution_holds_every_folder_and_page() -> None:
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").split()
    wanted = {path.name for path in ROOT.glob("*.md")} | {
        "tests",
        "scripts",
        "docs",
        ".ci",
        ".github",
        "constraints.txt",
    }
    assert wanted <= set(manifest)


def test_the_supported_pythons_are_those_of_the_workflow() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    versions = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: 3."
    assert [f"{prefix}{version.removeprefix('3.')}" for version in versions] == [
        each for each in PROJECT["classifiers"] if each.startswith(prefix)
    ]


def test_the_hook_runs_a_command_of_this_program() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    command, *arguments = hook["entry"].split()
    assert command in PROJECT["scripts"]
    assert arguments == ["policy", "check"]
