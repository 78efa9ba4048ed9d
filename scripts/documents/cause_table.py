"""Write docs/reference/errors.md: the one table of causes, with what each means, its exit code and what to do.

python -m scripts.documents.cause_table            # write
python -m scripts.documents.cause_table --check    # exit 1 if the page is not what the table gives
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from harvester.cause_rows import CAUSE_ROWS, CauseRow
from harvester.causes import Cause
from harvester.cli.shared.next_steps import fetch_step, next_step
from harvester.nimble_api.responses import ApiResponse, Subject, error_for_response
from harvester.sessions import Login
from harvester.storage.service_errors import ServiceError, harvester_error
from scripts.documents.generated_page import write_or_check

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"
_LOCATION = "s3://BUCKET/PREFIX/"
_OF_NIMBLE = {Cause.BUDGET: 402, Cause.RESULT_EXPIRED: 410}
_SERVICES = (("nimble.", "Nimble's API"), ("pubsub.", "Pub/Sub"))


def page() -> Iterator[str]:
    yield "# Causes of errors"
    yield ""
    yield "Made by `scripts/documents/cause_table.py` from `harvester/causes.py` and `harvester/cause_rows.py`."
    yield "Listing, fetching, writing, settings, policies, KMS, SQS, Pub/Sub, Google Cloud Storage and Nimble's API"
    yield "decide by this table, and so do `test`, `explain` and `policy apply`. An answer that no row fits keeps"
    yield "its status, code and sentence; it counts as `refused`, from status 500 on as `server_error`."
    yield ""
    yield "## What each cause means"
    yield ""
    yield "The exit code is that of a command that ends for this cause alone; where it is 3, that of a sync, and a"
    yield "single request ends with 18. Retried means by the program itself, and that the same command may succeed"
    yield "later. The exit code means the same, but for `integrity`: 7 is the code of damaged documents too. A"
    yield "request that Nimble's API refuses for its values ends with 2, as an invalid option does."
    yield ""
    yield "| cause | meaning | exit | retried | what to do |"
    yield "| --- | --- | --- | --- | --- |"
    for cause in Cause:
        cells = (
            f"`{cause.value}`",
            cause.sentence,
            str(int(cause.exit_code)),
            "yes" if cause.retryable else "",
            advice(cause),
        )
        yield _line(cells)
    yield ""
    yield "## Which answer has which cause"
    yield ""
    yield "An empty cell fits everything; rows with a code come before those with a status alone, and the first that"
    yield "fits decides."
    yield ""
    yield "| code | status | operation | sentence contains | cause |"
    yield "| --- | --- | --- | --- | --- |"
    for row in CAUSE_ROWS:
        yield _line((_code(row.code), str(row.status or ""), _operation(row), row.detail, f"`{row.cause.value}`"))


def advice(cause: Cause) -> str:
    """Return what the program advises for a cause, of a store or of Nimble's API."""
    if cause in _OF_NIMBLE:
        answer = ApiResponse(_OF_NIMBLE[cause], {}, b"")
        return next_step(error_for_response(answer, Subject("task", "ID"), origin="https://API", secret=""))
    step = fetch_step(cause.value)
    if step:
        return step
    error = ServiceError(
        cause, "", "", "", 0 if cause in (Cause.NETWORK, Cause.TIMEOUT) else 400, cause.retryable, expired=False
    )
    return next_step(harvester_error("", error, url=_LOCATION, login=Login("sso", None)))


def _operation(row: CauseRow) -> str:
    for prefix, name in _SERVICES:
        if row.operation == prefix:
            return name
    return f"`{row.operation}…`" if row.operation else ""


def _code(code: str) -> str:
    return f"`{code}`" if code else ""


def _line(cells: tuple[str, ...]) -> str:
    return "|" + "".join(f" {each} |" if each else " |" for each in cells)


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, "\n".join([*page(), ""])))
