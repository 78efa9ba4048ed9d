"""Remove what is not needed any more: evict, purge, compact; and rebind."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
