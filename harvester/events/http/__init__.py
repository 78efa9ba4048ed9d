"""The HTTP side of ``listen`` and ``watch``: server, limits on connections, webhooks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
