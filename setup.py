"""The package index's page: the README with links that lead to the repository. Everything else is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup

SOURCE = "https://github.com/nimble-harvester/nimble-harvester/blob/main/"
README = Path(__file__).with_name("README.md").read_text(encoding="utf-8")

setup(
    long_description=re.sub(r"\]\((?!https?:|#)([^)]+)\)", rf"]({SOURCE}\1)", README),
    long_description_content_type="text/markdown",
)
