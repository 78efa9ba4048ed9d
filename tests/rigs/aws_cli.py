"""The few ``aws SERVICE OPERATION --parameter VALUE`` commands this program prints, by botocore's own service models.

For tests that run the printed commands as they stand, without the whole AWS CLI: the names of operations and parameters
are botocore's, as the CLI's are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import boto3
import jmespath  # type: ignore[import-untyped]  # botocore's own dependency
from botocore import xform_name

_SERVICES = {"s3api": "s3"}


def main(arguments: Sequence[str]) -> None:
    """Run one command, its words after ``aws``; its answer is printed where ``--output`` asks for it."""
    service, *rest = arguments
    place = next(at for at in range(0, len(rest), 2) if not rest[at].startswith("--"))
    operation = rest.pop(place)
    given = dict(zip(rest[::2], rest[1::2], strict=True))
    client = boto3.client(_SERVICES.get(service, service), region_name=given.pop("--region", None))  # type: ignore[call-overload]
    query, output = given.pop("--query", "@"), given.pop("--output", "")
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    members = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in model.input_shape.members.items()}
    parameters: dict[str, object] = {}
    for flag, value in given.items():
        name, shape = members[flag]
        if shape.type_name == "list" and not value.startswith("["):
            parameters[name] = [value]
        elif shape.type_name in {"structure", "list", "map"}:
            parameters[name] = json.loads(value)
        else:
            parameters[name] = value
    answer = getattr(client, method)(**parameters)
    answer.pop("ResponseMetadata")
    found = jmespath.search(query, answer)
    if output == "text":
        sys.stdout.write(f"{found}\n")
    elif output == "json" and found:
        sys.stdout.write(json.dumps(found, indent=4) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
