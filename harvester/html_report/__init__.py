"""The report of destinations as one HTML file that loads nothing: gathered, summed up, rendered."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
