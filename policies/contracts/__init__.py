"""What Nimble needs: the facts with their sources, the access contracts, and contracts applied to one bucket."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
