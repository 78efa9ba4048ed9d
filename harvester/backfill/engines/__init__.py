"""Engines: what runs the shards of a backfill, here, on Dask, or as jobs of other systems."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
