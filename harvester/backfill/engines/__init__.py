"""Engines: what runs the shards of a backfill, here, on Dask, or as jobs of other systems."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
