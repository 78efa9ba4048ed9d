"""The report of destinations as one HTML file that loads nothing: gathered, summed up, rendered."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
