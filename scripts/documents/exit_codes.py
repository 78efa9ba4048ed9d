"""The page of exit codes, made from the table in `harvester.errors`.

``python -m scripts.documents.exit_codes`` writes docs/reference/exit-codes.md.
"""

from __future__ import annotations

from pathlib import Path

from harvester.errors import EXIT_MEANINGS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"
_INTRODUCTION = """\
# Exit codes

Made from the program by `python -m scripts.documents.exit_codes`. A retry helps where the same command may succeed
later without a change by the user. Where the causes of the failures decide, `--log-format json` ends with a line that
carries it as `retryable`, as do the reports of `sync`, `watch`, `listen` and `run`: false where every object that
failed has a cause that a person has to remove ([causes](errors.md)).

| code | name | meaning | does a retry help |
| --- | --- | --- | --- |
"""
_NOTES = """
The exit code of `explain`, `test` and `policy` is the verdict; it stands also when the reader of standard output has
closed the pipe (`| grep -q`).

An error is up to three lines on standard error: what failed on which object, the cause as far as known with the
store's request id, and what to run next. It contains no payload value and no secret.
"""


_HELPS = {True: "yes", False: "no", None: "by cause"}


def exit_codes() -> str:
    """Return the whole page."""
    rows = (
        f"| {int(code)} | {code.name} | {entry.meaning} | {_HELPS[entry.retryable]} |"
        for code, entry in EXIT_MEANINGS.items()
    )
    return _INTRODUCTION + "\n".join(rows) + "\n" + _NOTES


def main() -> None:
    """Write the page."""
    PAGE.write_text(exit_codes(), encoding="utf-8")


if __name__ == "__main__":
    main()
