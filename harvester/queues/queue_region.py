"""The region that the host of an SQS queue's URL names.

Source: "Amazon Simple Queue Service endpoints and quotas", AWS General Reference; "Interface VPC endpoints", Amazon SQS
Developer Guide. Each form is the whole host; REGION stands for a region's name.
"""

from __future__ import annotations

import re

_DOMAINS = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "api.aws",
    "api.amazonwebservices.com.cn",
)
_FORMS = (
    "sqs.REGION.DOMAIN",
    "sqs-fips.REGION.DOMAIN",
    "REGION.queue.DOMAIN",
    "VPCE.sqs.REGION.vpce.DOMAIN",
)
_REGION = r"(?P<region>[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]{1,2})"
_VPCE = r"vpce-[a-z0-9]+(?:-[a-z0-9]+)*"
_DOMAIN = f"(?:{'|'.join(map(re.escape, _DOMAINS))})"
_PATTERNS = tuple(
    re.compile(re.escape(form).replace("REGION", _REGION).replace("VPCE", _VPCE).replace("DOMAIN", _DOMAIN)).fullmatch
    for form in _FORMS
)
_LEGACY = {"queue.amazonaws.com": "us-east-1", "sqs.amazonaws.com": "us-east-1"}


def region_of_host(host: str) -> str | None:
    """Return the region a queue's host names, None for any other host."""
    host = host.lower().rstrip(".")
    if host in _LEGACY:
        return _LEGACY[host]
    return next((found["region"] for pattern in _PATTERNS if (found := pattern(host))), None)
