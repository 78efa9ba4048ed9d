"""Export without a lasting destination: rows go to the output while a run lands them in a scratch folder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
