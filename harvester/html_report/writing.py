"""Write the report of destinations to a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, UsageError
from harvester.extras import REPORT, require_extra
from harvester.file_replacement import replace_file
from harvester.html_report.destination_report import MOST_DESTINATIONS, gather, limits_for
from harvester.html_report.page import render_page
from harvester.html_report.report_options import HtmlReportOptions, WrittenReport


def write_html_report(
    destinations: Sequence[Path | str] | Path | str,
    path: Path | str,
    options: HtmlReportOptions | None = None,
) -> WrittenReport:
    """Write one self-contained HTML file about destinations; an existing file is replaced as a whole.

    It has less than 1 MB. Raises UsageError for more than `MOST_DESTINATIONS`, ConfigurationError for one that was
    never synced and without the extra [report], IntegrityError for a damaged state, DestinationUnusable where the file
    cannot be written.
    """
    require_extra(REPORT)
    options = options or HtmlReportOptions()
    given = [destinations] if isinstance(destinations, Path | str) else list(destinations)
    if len(given) > MOST_DESTINATIONS:
        raise UsageError(
            f"{len(given)} destinations in one report",
            cause=f"of more than {MOST_DESTINATIONS} the file would be larger than 1 MB",
            code=ErrorCode.REPORT_TOO_LONG,
            parameters={"most": MOST_DESTINATIONS},
        )
    limits = limits_for(len(given))
    now = time.time()
    reports = [gather(Path(each), options, now, limits) for each in given]
    content = render_page(reports, since=now - options.window, now=now).encode("utf-8", "backslashreplace")
    target = Path(path)
    _replace(target, content)
    errors = (each.access.error for each in reports if each.access is not None)
    return WrittenReport(target, len(content), tuple(error for error in errors if error is not None))


def _replace(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise DestinationUnusable(
            f"cannot write the report {path}",
            cause=error.strerror or str(error),
            code=ErrorCode.REPORT_NOT_WRITTEN,
            subject=str(path),
        ) from error
