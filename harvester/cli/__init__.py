"""The command line: the only package that prints, prompts or exits."""

import gc

# A run holds many values and hardly any cycle: with Python's own thresholds the collector would walk them all the
# time, from the first import on.
gc.set_threshold(50_000, 20, 20)

from harvester.cli.application import main  # noqa: E402  # its imports are half of what a short run holds

__all__ = ["main"]
