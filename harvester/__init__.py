"""The customer's side of Nimble's asynchronous delivery.

Public names load on first use, so importing the package loads no SDK.
"""

from harvester.lazy_exports import attach_exports

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach_exports(__name__, __file__)
