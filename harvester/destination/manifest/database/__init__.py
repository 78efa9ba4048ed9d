"""The SQLite database of a manifest: opening, migrations, transactions, errors."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
