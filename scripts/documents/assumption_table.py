"""Write docs/reference/assumptions.md: every assumption of a verdict, from policies/contracts/nimble.json.

python -m scripts.documents.assumption_table            # write
python -m scripts.documents.assumption_table --check    # exit 1 if the page is not what the data file gives
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from policies import Assumption, facts
from scripts.documents.generated_page import write_or_check

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "assumptions.md"


def page() -> Iterator[str]:
    yield "# What a verdict can assume"
    yield ""
    yield "Made by `scripts/documents/assumption_table.py` from `policies/contracts/nimble.json`."
    yield ""
    yield "A requirement `holds_assuming` when it would be `unknown` without some of these. The verdict lists which."
    yield "Inferred marks what no document states of Nimble's requests."
    yield ""
    yield "| condition key | assumed | why | source | read | inferred |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for each in facts().profile.assumptions:
        source = each.source
        inferred = "yes" if each.inferred else "no"
        cells = (f"`{each.key}`", _range(each), each.statement, source.title, source.date, inferred)
        yield f"| {' | '.join(cells)} |"


def _range(assumption: Assumption) -> str:
    if assumption.absent:
        return "absent"
    parts = ["present"] if assumption.present else []
    parts += [f"at least {assumption.at_least}"] if assumption.at_least else []
    parts += [f"at most {assumption.at_most}"] if assumption.at_most else []
    parts += [f"`{each}`" for each in assumption.within]
    parts += [f"without `{assumption.without}`"] if assumption.without else []
    parts += [f"outside {', '.join(f'`{each}`' for each in assumption.outside)}"] if assumption.outside else []
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, "\n".join([*page(), ""])))
