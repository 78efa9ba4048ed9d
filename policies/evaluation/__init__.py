"""Evaluate requests against policies, also where parts of a request are unknown."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
