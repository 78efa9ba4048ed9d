"""What to run or do after an error: the only place that spells commands."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
