"""Inspect, explain, test and change the policies and settings of live buckets and keys."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
