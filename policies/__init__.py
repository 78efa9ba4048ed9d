"""IAM, KMS and Cloud Storage policies for Nimble: documents in, documents out.

No network, no terminal, no cloud SDK. Public names load on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
