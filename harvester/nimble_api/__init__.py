"""Nimble's API: client, models, states, rate limit, polling, delivery parameters."""

from harvester.lazy_exports import attach_exports

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
