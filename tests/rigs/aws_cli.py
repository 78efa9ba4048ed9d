"""The few ``aws SERVICE OPERATION --parameter VALUE`` commands this program prints, by botocore's own service models.

For tests that run the printed commands as they stand, without the whole AWS CLI: the names of operations and parameters
are botocore's, as the CLI's are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import boto3
from botocore import xform_name

_SERVICES = {"s3api": "s3", "kms": "kms"}


def main(arguments: Sequence[str]) -> None:
    """Run one command, its words after ``aws``."""
    service, operation, *rest = arguments
    given = dict(zip(rest[::2], rest[1::2], strict=True))
    client = boto3.client(_SERVICES[service], region_name=given.pop("--region", None))  # type: ignore[call-overload]
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    members = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in model.input_shape.members.items()}
    parameters = {}
    for flag, value in given.items():
        name, shape = members[flag]
        parameters[name] = json.loads(value) if shape.type_name in {"structure", "list", "map"} else value
    getattr(client, method)(**parameters)
