"""The error tree and the one table of exit codes.

HarvesterError
├── UsageError            2    an option, a location or a name is invalid
├── AccessDenied          4    the store or API refused: denied, or credentials rejected
├── NoSuchBucket          5
├── ConnectionFailed      6    network, throttling, timeout, after retries
├── IntegrityError        7    a stored or given document is invalid or damaged
├── ConfigurationError    8    credentials or configuration missing or expired on this machine
├── DifferenceFound      10    the state differs from what was planned from or asked for
├── DestinationLocked    11    a live run has the destination open
├── DestinationUnusable  12    full, out of inodes, read-only, not a directory
├── ConsentNeeded        13    a confirmation was needed and none was given
├── TimedOut             14    waited as long as asked
├── ForeignPosition      17    a position that belongs to another history of the destination
├── RequestRefused       18    a service refused a request for a reason that a retry does not change
└── Interrupted 129, 130, 143   SIGHUP, SIGINT or SIGTERM, after the state was saved
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple, Self

from harvester.error_codes import ErrorCode as ErrorCode
from harvester.text import masked


class ExitCode(IntEnum):
    """The exit code of the process; codes may be added, and never change their meaning."""

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
    STALE = 15
    DATA_CHANGED = 16
    FOREIGN_POSITION = 17
    REFUSED = 18
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


class ExitMeaning(NamedTuple):
    """What an exit code means to the caller."""

    meaning: str
    """The meaning, as one sentence."""
    retryable: bool | None
    """Whether the same command may succeed later without a change by the user; None where the causes decide it."""


EXIT_MEANINGS: Mapping[ExitCode, ExitMeaning] = MappingProxyType(
    {
        ExitCode.OK: ExitMeaning(
            "The command did all it was asked to do, or there was nothing to do.", retryable=False
        ),
        ExitCode.BUG: ExitMeaning("An error of this program; `NIMBLE_HARVESTER_DEBUG=1` shows more.", retryable=False),
        ExitCode.USAGE: ExitMeaning("An option, a location or a name is invalid; nothing was done.", retryable=False),
        ExitCode.PARTIAL: ExitMeaning(
            "The run is complete; some objects or tasks were refused, quarantined or failed.", retryable=None
        ),
        ExitCode.ACCESS_DENIED: ExitMeaning(
            "A store or API denied access or rejected the credentials.", retryable=False
        ),
        ExitCode.NO_SUCH_BUCKET: ExitMeaning("The bucket or source directory does not exist.", retryable=False),
        ExitCode.CONNECTION_FAILED: ExitMeaning(
            "Network failure, throttling or timeout, after retries.", retryable=True
        ),
        ExitCode.INTEGRITY: ExitMeaning(
            "A stored or given document is invalid, or `verify` found a difference.", retryable=False
        ),
        ExitCode.CONFIGURATION: ExitMeaning(
            "Credentials or configuration of this machine are missing, invalid or expired.", retryable=False
        ),
        ExitCode.EMPTY: ExitMeaning("There is no result, and the command was asked to fail then.", retryable=True),
        ExitCode.DIFFERENCE: ExitMeaning(
            "Access or delivery is incomplete, or drifted from its baseline.", retryable=False
        ),
        ExitCode.LOCKED: ExitMeaning("Another live run has the destination open.", retryable=True),
        ExitCode.DESTINATION: ExitMeaning(
            "The destination is full, read-only or not a directory, or the output cannot be written.", retryable=False
        ),
        ExitCode.CONSENT: ExitMeaning("A confirmation was needed and none was given.", retryable=False),
        ExitCode.TIMED_OUT: ExitMeaning("The time given to wait has passed.", retryable=True),
        ExitCode.STALE: ExitMeaning(
            "The last success or the newest delivery is too old, or access expires soon.", retryable=False
        ),
        ExitCode.DATA_CHANGED: ExitMeaning(
            "The data changed: its fields or statistics differ from the accepted ones.", retryable=False
        ),
        ExitCode.FOREIGN_POSITION: ExitMeaning(
            "A position belongs to another history of the destination.", retryable=False
        ),
        ExitCode.REFUSED: ExitMeaning(
            "A service refused a request, or does not offer it, for a reason that a retry does not change.",
            retryable=False,
        ),
        ExitCode.SIGHUP: ExitMeaning("SIGHUP ended the run, after its state was saved.", retryable=True),
        ExitCode.SIGINT: ExitMeaning("SIGINT ended the run, after its state was saved.", retryable=True),
        ExitCode.SIGTERM: ExitMeaning("SIGTERM ended the run, after its state was saved.", retryable=True),
    }
)
"""The one table of exit codes; docs/reference/exit-codes.md is generated from it."""


class HarvesterError(Exception):
    """A failure a person can act on: which kind, on which object, and why.

    The next command to run depends on how the program is used: the command line words it from code and parameters.
    """

    exit_code = ExitCode.BUG
    code = ErrorCode.BUG

    def __init__(
        self,
        what: str,
        *,
        code: ErrorCode | None = None,
        subject: str = "",
        cause: str = "",
        request_id: str = "",
        parameters: Mapping[str, object] | None = None,
        retryable: bool | None = None,
    ) -> None:
        """Keep the parts, URLs without their passwords; none may contain another secret or a payload value.

        ``retryable`` is given where it differs from what the exit code means.
        """
        what, cause, subject = masked(what), masked(cause), masked(subject)
        super().__init__(what)
        self.what = what
        """What failed, on which object, as one sentence."""
        if code is not None:
            self.code = code
            """The kind of failure; by default that of the class."""
        self.subject = subject
        """The object that it failed on: a location, path, key, id or name; empty where there is none."""
        self.cause = cause
        """The cause as far as known."""
        self.request_id = request_id
        """The store's or API's id of the refused request, for its support."""
        self.parameters: Mapping[str, object] = dict(parameters or {})
        """What else a next step needs: strings, numbers, booleans and lists of strings."""
        self._retryable = retryable

    @property
    def retryable(self) -> bool:
        """Whether the same command may succeed later without a change by the user."""
        return bool(EXIT_MEANINGS[ExitCode(self.exit_code)].retryable if self._retryable is None else self._retryable)

    def __str__(self) -> str:
        """Return what failed and the cause, one line each."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return what failed, and the cause with the request id where they are known."""
        cause = self.cause
        if self.request_id:
            cause = f"{cause} (request id {self.request_id})" if cause else f"request id {self.request_id}"
        return [line for line in (self.what, cause) if line]

    def one_line(self) -> str:
        """Return the lines joined by semicolons, for a log."""
        return "; ".join(self.lines())

    def with_parameters(self, **more: object) -> Self:
        """Return the same error with further parameters."""
        again = type(self).__new__(type(self), *self.args)
        again.__dict__.update(self.__dict__)
        again.parameters = {**self.parameters, **more}
        return again

    def as_document(self) -> dict[str, object]:
        """Return the error as JSON has it."""
        return {
            "code": self.code.value,
            "what": self.what,
            "subject": self.subject,
            "cause": self.cause,
            "request_id": self.request_id,
            "parameters": dict(self.parameters),
        }


class UsageError(HarvesterError):
    """An option, a location or a name is invalid."""

    exit_code = ExitCode.USAGE
    code = ErrorCode.USAGE


class AccessDenied(HarvesterError):
    """The store or API refused: a permission is missing, or the credentials were rejected."""

    exit_code = ExitCode.ACCESS_DENIED
    code = ErrorCode.ACCESS_DENIED


class NoSuchBucket(HarvesterError):
    """The bucket does not exist."""

    exit_code = ExitCode.NO_SUCH_BUCKET
    code = ErrorCode.NO_SUCH_BUCKET


class ConnectionFailed(HarvesterError):
    """Network failure, throttling or timeout, after the retries."""

    exit_code = ExitCode.CONNECTION_FAILED
    code = ErrorCode.CONNECTION_FAILED


class IntegrityError(HarvesterError):
    """A stored or given document is invalid or damaged."""

    exit_code = ExitCode.INTEGRITY
    code = ErrorCode.INTEGRITY


class ConfigurationError(HarvesterError):
    """Configuration or credentials are missing or expired on this machine."""

    exit_code = ExitCode.CONFIGURATION
    code = ErrorCode.CONFIGURATION


class DifferenceFound(HarvesterError):
    """The state differs from what was planned from, or from what was asked for."""

    exit_code = ExitCode.DIFFERENCE
    code = ErrorCode.DIFFERENCE


class DestinationLocked(HarvesterError):
    """Another live run has the destination open."""

    exit_code = ExitCode.LOCKED
    code = ErrorCode.DESTINATION_LOCKED


class DestinationUnusable(HarvesterError):
    """The destination is full, out of inodes, read-only, or not a directory."""

    exit_code = ExitCode.DESTINATION
    code = ErrorCode.DESTINATION_UNUSABLE


class ConsentNeeded(HarvesterError):
    """A confirmation was needed and none was given; nothing has been written."""

    exit_code = ExitCode.CONSENT
    code = ErrorCode.CONSENT_NEEDED


class TimedOut(HarvesterError):
    """Waited as long as asked."""

    exit_code = ExitCode.TIMED_OUT
    code = ErrorCode.TIMED_OUT


class ForeignPosition(HarvesterError):
    """A position of another history of the destination, e.g. after a restore from a backup."""

    exit_code = ExitCode.FOREIGN_POSITION
    code = ErrorCode.FOREIGN_POSITION

    def __init__(self, position: str, shared: str, destination: str, *, if_restored: str = "") -> None:
        """Take the position, and the newest ones that both histories share: for certain, and after a mere restore."""
        cause = (
            "the destination was restored, copied or begun anew since; the newest position that both histories"
            f" are known to share is {shared}"
        )
        if if_restored and if_restored != shared:
            cause += (
                f"; it is {if_restored} if a backup was restored, no other copy was written to since it was made,"
                " and no clock was set back"
            )
        super().__init__(
            f"{position} belongs to another history of {destination}",
            subject=destination,
            cause=cause,
            parameters={"position": position, "shared": shared, "shared_if_restored": if_restored or shared},
        )
        self.position = position
        """The position that was given."""
        self.shared = shared
        """The newest position of this history that the other provably shares: go on after it."""
        self.shared_if_restored = if_restored or shared
        """The newest one that the other shares if no two copies were written to, and no clock was set back."""


class RequestRefused(HarvesterError):
    """A service refused a request, or does not offer it, for a reason that a retry does not change."""

    exit_code = ExitCode.REFUSED
    code = ErrorCode.REQUEST_REFUSED


class Interrupted(HarvesterError):
    """A signal ended the work, after the state was saved."""

    code = ErrorCode.INTERRUPTED

    def __init__(self, signal_number: int) -> None:
        """Take the signal: SIGHUP gives 129, SIGINT 130, SIGTERM 143, as shells do."""
        super().__init__("interrupted")
        self.exit_code = ExitCode(128 + signal_number)
