"""The command line: the only package that prints, prompts or exits."""

import gc
import sys
from types import TracebackType

# A run holds many values and hardly any cycle: with Python's own thresholds the collector would walk them all the
# time, from the first import on.
gc.set_threshold(50_000, 20, 20)


def _print_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what nothing has caught: of Ctrl-C while the program is loaded, no traceback."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _print_uncaught

from harvester.cli.application import main  # noqa: E402  # its imports are half of what a short run holds

__all__ = ["main"]
