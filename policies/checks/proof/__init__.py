"""Prove requirements from documents: verdicts for every key, request scenarios, bindings, near misses."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
