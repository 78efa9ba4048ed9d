"""The command line: the only package that prints, prompts or exits."""

from harvester.cli.application import main

__all__ = ["main"]
