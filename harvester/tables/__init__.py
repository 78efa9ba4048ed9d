"""Rows as files for a warehouse: export, the view of current rows, and profiles."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
