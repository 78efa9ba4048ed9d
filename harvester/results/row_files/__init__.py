"""Files of many rows: JSON Lines, CSV and Parquet, and the rows of a landed file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
