"""Recording the outcomes of a run: counts, rows of the manifest, durable barriers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
