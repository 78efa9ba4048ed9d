"""Export without a lasting destination: rows go to the output while a run lands them in a scratch folder."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
