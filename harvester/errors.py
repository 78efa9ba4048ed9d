"""The error tree and the one table of exit codes.

HarvesterError
├── UsageError            2    flags, locations, names that cannot be
├── AccessDenied          4    the store refused: denied, or credentials rejected
├── NoSuchBucket          5
├── ConnectionFailed      6    network, throttling, timeout, after retries
├── IntegrityError        7    a stored or given document is not what it claims to be
├── ConfigurationError    8    credentials or configuration missing or expired here
├── DifferenceFound      10    what is there is not what was planned from, or not what was asked for
├── DestinationLocked    11    a live run holds the destination
├── DestinationUnusable  12    full, out of inodes, read-only, not a directory
├── ConsentNeeded        13    a confirmation was needed and none was given
├── TimedOut             14    waited as long as asked
└── Interrupted     130, 143    SIGINT or SIGTERM, after the state was saved
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to its caller; the meanings are a contract."""

    OK = 0
    BUG = 1
    USAGE = 2
    PARTIAL = 3
    ACCESS_DENIED = 4
    NO_SUCH_BUCKET = 5
    CONNECTION_FAILED = 6
    INTEGRITY = 7
    CONFIGURATION = 8
    EMPTY = 9
    DIFFERENCE = 10
    LOCKED = 11
    DESTINATION = 12
    CONSENT = 13
    TIMED_OUT = 14
    SIGINT = 130
    SIGTERM = 143


class HarvesterError(Exception):
    """A failure a person can act on: what failed on which object, why, and what to run next."""

    exit_code = ExitCode.BUG

    def __init__(self, what: str, *, cause: str = "", next_step: str = "", request_id: str = "") -> None:
        """Keep the three lines apart; none of them may hold a secret or a payload value."""
        super().__init__(what)
        self.what = what
        """What failed, on which object."""
        self.cause = cause
        """The cause as far as known."""
        self.next_step = next_step
        """The next command to run, or the next thing to do."""
        self.request_id = request_id
        """The store's or API's id of the refused request, for its support."""

    def __str__(self) -> str:
        """Return the lines as one text."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the three lines, the empty ones left out."""
        cause = self.cause
        if self.request_id:
            cause = f"{cause} (request id {self.request_id})" if cause else f"request id {self.request_id}"
        return [line for line in (self.what, cause, self.next_step) if line]

    def one_line(self) -> str:
        """Return the lines joined by semicolons, for a log."""
        return "; ".join(self.lines())

    def as_document(self) -> dict[str, str]:
        """Return the error as published JSON documents have it."""
        return {
            "what": self.what,
            "cause": self.cause,
            "next_step": self.next_step,
            "request_id": self.request_id,
        }


class UsageError(HarvesterError):
    """A flag, location or name that cannot be."""

    exit_code = ExitCode.USAGE


class AccessDenied(HarvesterError):
    """The store refused: a permission is missing, or the credentials were rejected."""

    exit_code = ExitCode.ACCESS_DENIED


class NoSuchBucket(HarvesterError):
    """The bucket does not exist."""

    exit_code = ExitCode.NO_SUCH_BUCKET


class ConnectionFailed(HarvesterError):
    """Network failure, throttling or timeout, after the retries."""

    exit_code = ExitCode.CONNECTION_FAILED


class IntegrityError(HarvesterError):
    """A stored or given document is not what it claims to be."""

    exit_code = ExitCode.INTEGRITY


class ConfigurationError(HarvesterError):
    """Configuration or credentials are missing or expired on this machine."""

    exit_code = ExitCode.CONFIGURATION


class DifferenceFound(HarvesterError):
    """What is there is not what was planned from, or not what was asked for."""

    exit_code = ExitCode.DIFFERENCE


class DestinationLocked(HarvesterError):
    """Another live run holds the destination."""

    exit_code = ExitCode.LOCKED


class DestinationUnusable(HarvesterError):
    """The destination is full, out of inodes, read-only, or not a directory."""

    exit_code = ExitCode.DESTINATION


class ConsentNeeded(HarvesterError):
    """A confirmation was needed and none was given; nothing has been written."""

    exit_code = ExitCode.CONSENT


class TimedOut(HarvesterError):
    """Waited as long as asked."""

    exit_code = ExitCode.TIMED_OUT


class Interrupted(HarvesterError):
    """A signal ended the work, after the state was saved."""

    def __init__(self, signal_number: int) -> None:
        """Take the signal: SIGINT gives 130, SIGTERM 143, as shells do."""
        super().__init__("interrupted", next_step="run the same command again to continue")
        self.exit_code = ExitCode(128 + signal_number)
