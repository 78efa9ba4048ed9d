"""The errors of this package.

PolicyError
├── ContractError   a contract, principal, bucket, prefix or key that cannot be
├── ParseError      a text that is not JSON as the clouds read it; knows line and column
├── GrammarError    JSON that is no policy; knows the JSON path
└── MergeError      a change whose outcome the cloud would refuse, or that the document cannot hold
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.checks import Finding


class PolicyError(Exception):
    """A failure a person can act on: what failed, why, and what to do next."""

    def __init__(self, what: str, *, cause: str = "", next_step: str = "") -> None:
        """Keep the three lines apart."""
        super().__init__(what)
        self.what = what
        """What failed, on which object."""
        self.cause = cause
        """The cause as far as known."""
        self.next_step = next_step
        """The next command to run, or the next thing to do."""

    def __str__(self) -> str:
        """Return what failed and why, in one line."""
        return f"{self.what}: {self.cause}" if self.cause else self.what


class ContractError(PolicyError):
    """A contract, principal, bucket, prefix or key that cannot be."""


class ParseError(PolicyError):
    """A text that is not JSON as the clouds read it."""

    def __init__(self, problem: str, *, line: int, column: int, source: str = "", next_step: str = "") -> None:
        """Keep where it is: ``line`` and ``column`` count from 1, in characters."""
        super().__init__(
            f"{source or 'the document'}, line {line}, column {column}",
            cause=problem,
            next_step=next_step or "correct the JSON there",
        )
        self.problem = problem
        """What is wrong there."""
        self.line = line
        """The line, from 1."""
        self.column = column
        """The column in characters, from 1."""


class GrammarError(PolicyError):
    """JSON that is no policy document."""

    def __init__(self, problem: str, *, path: str, source: str = "", next_step: str = "") -> None:
        """Keep where it is: ``path`` is a JSON path such as ``$.Statement[2].Condition``."""
        super().__init__(
            f"{source or 'the document'}, at {path}",
            cause=problem,
            next_step=next_step or "compare with what nimble-harvester policy show prints",
        )
        self.problem = problem
        """What is wrong there."""
        self.path = path
        """The JSON path of the offending value."""


class MergeError(PolicyError):
    """A change whose outcome the cloud would refuse, or that cannot be made in the document."""

    def __init__(self, what: str, *, cause: str = "", next_step: str = "", finding: Finding | None = None) -> None:
        """Keep the finding that the cloud would refuse the document for, where there is one."""
        super().__init__(what, cause=cause, next_step=next_step)
        self.finding = finding
        """What the cloud would refuse, with the fix that resolves it."""
