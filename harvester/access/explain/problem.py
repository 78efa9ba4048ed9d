"""One thing found about a bucket's door, with the commands that mend it."""

from __future__ import annotations

from dataclasses import dataclass

from policies import Severity


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing found: a reason why delivery fails, may fail, or comes out otherwise than expected."""

    code: str
    """Its name, stable for machines."""
    severity: Severity
    """``error``: Nimble or the bucket's owner is kept out; ``warning``: it may be so, or surprises; ``info``."""
    where: str
    """The setting, or the statement as a person finds it."""
    message: str
    """What was found."""
    fix: str
    """What to do, in words."""
    commands: tuple[str, ...] = ()
    """The commands that do it, in the order to run them; none where none can."""
    apply_flags: tuple[str, ...] | None = None
    """Where the command is ``policy apply``: the flags it takes for this; None where it is another."""
    keeps_out: tuple[str, ...] = ()
    """``read`` and ``write``: what Nimble's Test Connection would find denied because of it."""
    inferred: bool = False
    """True where it follows from the cloud's rules but is stated nowhere by Nimble."""

    @property
    def command(self) -> str:
        """The commands as one line of a shell; empty where there are none."""
        return " && ".join(self.commands)

    def as_document(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "where": self.where,
            "message": self.message,
            "fix": self.fix,
            "command": self.command,
            "inferred": self.inferred,
        }
