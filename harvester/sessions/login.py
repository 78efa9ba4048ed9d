"""How credentials are renewed."""

from typing import NamedTuple


class Login(NamedTuple):
    """Where credentials came from, and so how a person renews them."""

    login: str
    """botocore's name of the method (``sso``, ``login``, ``env``, ``shared-credentials-file``, …), or ``google``."""
    profile: str | None
    """The AWS profile, if one was named."""
