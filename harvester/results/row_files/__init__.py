"""Files of many rows: JSON Lines, CSV and Parquet, and the rows of a landed file."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
