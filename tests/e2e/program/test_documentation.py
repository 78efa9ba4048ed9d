"""What the documentation shows is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harvester.errors import EXIT_MEANINGS, ExitCode
from scripts.documents.command_reference import PAGE, reference
from scripts.documents.config_schema import PAGE as CONFIG_SCHEMA
from scripts.documents.config_schema import config_schema
from scripts.documents.exit_codes import PAGE as EXIT_CODES_PAGE
from scripts.documents.exit_codes import exit_codes
from scripts.documents.readme_examples import README, executed, normalised

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "DESIGN.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)


def test_the_console_blocks_of_the_readme() -> None:
    page = README.read_text(encoding="utf-8")
    assert page.count("\n$ ") >= 6
    assert normalised(executed(page)) == normalised(page)


def test_the_command_reference_is_the_programs_own() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "python -m scripts.documents.command_reference"


def test_the_schema_of_the_configuration_is_that_of_the_verbs() -> None:
    assert CONFIG_SCHEMA.read_text(encoding="utf-8") == config_schema(), "python -m scripts.documents.config_schema"


def test_the_page_of_exit_codes_is_the_programs_own() -> None:
    assert set(EXIT_MEANINGS) == set(ExitCode)
    assert EXIT_CODES_PAGE.read_text(encoding="utf-8") == exit_codes(), "python -m scripts.documents.exit_codes"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
