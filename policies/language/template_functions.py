"""Evaluate the functions of a CloudFormation template, as far as the names of its buckets decide them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PSEUDO = {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
"""Pseudo parameters with the value they have where Nimble's principals are. Account and Region differ by stack."""
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class UnknownFunctionError(Exception):
    """A function has a value that the template does not decide."""


class Functions:
    """The functions of one template."""

    def __init__(self, resources: Mapping[str, Any], bucket: str) -> None:
        """Take the template's resources; ``bucket`` is the name of the only bucket that has none in the template."""
        self.names: dict[str, str] = {}
        unnamed: list[str] = []
        for logical, resource in resources.items():
            if not isinstance(resource, Mapping) or resource.get("Type") != "AWS::S3::Bucket":
                continue
            properties = resource.get("Properties")
            name = properties.get("BucketName") if isinstance(properties, Mapping) else None
            if isinstance(name, str):
                self.names[logical] = name
            elif name is None:
                unnamed.append(logical)
        if bucket and len(unnamed) == 1 and bucket not in self.names.values():
            self.names[unnamed[0]] = bucket

    def evaluate(self, value: Any) -> Any:
        """Return a value with its functions evaluated; raises UnknownFunctionError where one cannot be."""
        if isinstance(value, list):
            return [self.evaluate(each) for each in value]
        if not isinstance(value, Mapping):
            return value
        name = next((each for each in value if each == "Ref" or each.startswith("Fn::")), None)
        if name is None:
            return {key: self.evaluate(each) for key, each in value.items()}
        return self.call(name, value[name])

    def call(self, name: str, given: Any) -> str:
        """Return the value of one function."""
        if name == "Ref" and isinstance(given, str):
            return self.reference(given)
        if name == "Fn::GetAtt":
            return self.attribute(given.split(".", 1) if isinstance(given, str) else given)
        if name == "Fn::Sub":
            text, own = given if isinstance(given, list) and len(given) == 2 else (given, {})  # text and its variables
            if isinstance(text, str) and isinstance(own, Mapping):
                variables = {key: self.evaluate(each) for key, each in own.items()}
                return _VARIABLE.sub(lambda found: self.variable(found[1].strip(), variables), text)
        if name == "Fn::Join" and isinstance(given, list) and len(given) == 2 and isinstance(given[0], str):
            parts = self.evaluate(given[1])
            if isinstance(parts, list) and all(isinstance(each, str) for each in parts):
                return given[0].join(parts)
        raise UnknownFunctionError(name)

    def reference(self, name: str) -> str:
        """Return the value of ``Ref``."""
        found = self.names.get(name, _PSEUDO.get(name))
        if found is None:
            raise UnknownFunctionError(name)
        return found

    def attribute(self, given: Any) -> str:
        """Return the value of ``Fn::GetAtt``."""
        match given:
            case [str(logical), "Arn"] if logical in self.names:
                return f"arn:aws:s3:::{self.names[logical]}"
        raise UnknownFunctionError(str(given))

    def variable(self, name: str, own: Mapping[str, Any]) -> str:
        """Return the value of a variable of ``Fn::Sub``."""
        if name.startswith("!"):
            # What stays as a policy variable.
            return f"${{{name[1:]}}}"
        if isinstance(own.get(name), str):
            return str(own[name])
        return self.attribute(name.split(".", 1)) if "." in name else self.reference(name)
