"""The customer's side of Nimble's asynchronous delivery.

Public names load on first use, so importing the package loads no SDK.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
