"""Which keys of a location a run is about: a range, a list, some prefixes."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
