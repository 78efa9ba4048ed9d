"""Messages and the end of a run: for people, quiet, and as JSON lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harvester.cli.shared.run_messages import Messages, write_reasons
from harvester.error_codes import ErrorCode
from harvester.errors import ConnectionFailed, ExitCode, IntegrityError
from harvester.transfer.sync_report import SyncProgress

REASONS = ["  2 × failed: throttled", "      e.g. a\x1b.json"]


def documents(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_message_is_escaped_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    Messages().log("warning", "keys such as a\x1b[2J\nb", "  run: x")
    assert capsys.readouterr().err == "warning: keys such as a\\x1b[2J\\nb\n  run: x\n"


def test_information_has_no_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    Messages().log("info", "listing")
    assert capsys.readouterr() == ("", "listing\n")


def test_a_failed_run_has_its_reasons_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Messages().end(ExitCode.PARTIAL, reasons=REASONS)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "error: exit 3: The run is complete; some objects or tasks were refused, quarantined or failed.",
        "  2 × failed: throttled",
        "      e.g. a\\x1b.json",
    ]


def test_a_command_without_messages_writes_reasons_alike(capsys: pytest.CaptureFixture[str]) -> None:
    write_reasons(ExitCode.INTEGRITY, ["  1 missing"])
    assert capsys.readouterr().err.endswith("\n  1 missing\n")


def test_success_and_a_failure_without_reasons_write_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Messages().end(ExitCode.OK, reasons=REASONS)
    Messages().end(ExitCode.PARTIAL)
    assert capsys.readouterr() == ("", "")


def test_an_error_is_raised_for_the_program_to_print() -> None:
    error = ConnectionFailed("no")
    with pytest.raises(ConnectionFailed) as caught:
        Messages().end(ExitCode.CONNECTION_FAILED, error=error, reasons=REASONS)
    assert caught.value is error


def test_quiet_drops_messages_of_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages(quiet=True)
    messages.log("info", "a")
    messages.log("warning", "b")
    messages.end(ExitCode.OK)
    assert capsys.readouterr() == ("", "")


def test_quiet_writes_warnings_of_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages(quiet=True)
    messages.log("info", "a")
    messages.log("warning", "b")
    messages.end(ExitCode.PARTIAL, reasons=["  c"])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "warning: b"
    assert lines[-1] == "  c"


@pytest.mark.parametrize(
    ("code", "retryable"),
    [(ExitCode.OK, False), (ExitCode.PARTIAL, False), (ExitCode.TIMED_OUT, True), (ExitCode.CONFIGURATION, False)],
)
def test_json_ends_with_one_summary(capsys: pytest.CaptureFixture[str], code: ExitCode, *, retryable: bool) -> None:
    messages = Messages(as_json=True)
    messages.log("warning", "a", "b")
    messages.end(code, reasons=REASONS if code else [], counts={"landed": 2})
    first, last = documents(capsys.readouterr().err)
    assert (first["level"], first["message"]) == ("warning", "a b")
    assert last["event"] == "end"
    assert last["exit_code"] == code
    assert last["retryable"] is retryable
    assert last["counts"] == {"landed": 2}
    assert last["error"] is None
    assert last["level"] == ("error" if code else "info")
    if code:
        assert last["message"] == "2 × failed: throttled; e.g. a\x1b.json"


def test_json_has_the_error_with_its_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConnectionFailed("no", cause="why", code=ErrorCode.STORE_UNAVAILABLE, subject="s3://b/")
    Messages(as_json=True).end(ExitCode.CONNECTION_FAILED, error=error)
    (last,) = documents(capsys.readouterr().err)
    assert last["message"] == "no; why; try again later"
    assert last["retryable"] is True
    assert last["error"] == {
        "code": "store_unavailable",
        "what": "no",
        "subject": "s3://b/",
        "cause": "why",
        "request_id": "",
        "next_step": "try again later",
    }


def test_quiet_json_is_silent_on_success_only(capsys: pytest.CaptureFixture[str]) -> None:
    Messages(as_json=True, quiet=True).end(ExitCode.OK)
    assert capsys.readouterr().err == ""
    Messages(as_json=True, quiet=True).end(ExitCode.PARTIAL)
    assert len(documents(capsys.readouterr().err)) == 1


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages()
    start = messages._written_at
    for seconds, settled in ((0.0, 0), (10.0, 10), (29.0, 20), (31.0, 50)):
        messages.show(
            SyncProgress(
                at=start + seconds, listed=100, listing_done=True, settled=settled, bytes_fetched=0, problems=1
            )
        )
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("50 of 100 objects, ")
    assert line.endswith(" left, 1 problem")


def test_each_run_of_a_watch_has_progress_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    messages = Messages()
    progress = SyncProgress(at=0.0, listed=0, listing_done=False, settled=0, bytes_fetched=0, problems=0)
    for seconds in (0.0, 29.0):
        messages.show(progress._replace(at=seconds))
    messages.begin_run()
    for seconds in (31.0, 60.0):
        messages.show(progress._replace(at=seconds))
    assert capsys.readouterr().err == ""
    messages.show(progress._replace(at=62.0))
    assert capsys.readouterr().err == "listing\n"


def test_a_report_and_an_error_decide_whether_to_try_again(capsys: pytest.CaptureFixture[str]) -> None:
    Messages(as_json=True).end(ExitCode.PARTIAL, reasons=REASONS, retryable=True)
    Messages(as_json=True).end(ExitCode.INTEGRITY, error=IntegrityError("no", retryable=True))
    assert [each["retryable"] for each in documents(capsys.readouterr().err)] == [True, True]
