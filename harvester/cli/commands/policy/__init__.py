"""The verbs of ``policy``."""
