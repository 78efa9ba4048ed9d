"""Parse IAM and Cloud Storage policies: strict JSON, statements, principals, conditions, variables, wildcards."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
