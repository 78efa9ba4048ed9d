"""List, fetch, put and inspect objects and buckets: S3, Cloud Storage, directories."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
