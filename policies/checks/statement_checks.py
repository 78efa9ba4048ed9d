"""What one statement may not hold: principals, actions and resources that the cloud refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.checks.findings import Finding, Fix, FixAction, SideEffect, finding, fix
from policies.checks.global_keys import closest
from policies.contracts import Target, facts
from policies.evaluation import action_table, known_actions, resource_pattern
from policies.language import (
    Pattern,
    PolicyDocument,
    StateLimitError,
    Statement,
    Variable,
    Wildcard,
    caller,
    intersects,
    is_unique_id,
    template,
)

BUCKET_ARN = "arn:aws:s3:::"
_SERVICES = {"s3": ("s3:", "s3express:", "s3-object-lambda:"), "kms": ("kms:",)}
# Source: Amazon S3 user guide, "Restricting access to an Amazon S3 origin", and IAM user guide, "Principal".
_ORIGIN_IDENTITY = re.compile(r"arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity [A-Z0-9]+\Z")
_IDENTITIES = re.compile(
    r"arn:[a-z-]+:(iam::[0-9]{12}:(root\Z|user/|role/)|sts::[0-9]{12}:(assumed-role/|federated-user/))"
)
# Source: IAM user guide, "IAM and AWS STS quotas", names of users, roles and sessions; a path may hold more.
_NAMED_IDENTITY = re.compile(r"[^/]*/([\x21-\x7E]+/)?[A-Za-z0-9_+=,.@-]+\Z")
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+\Z")
_ACCOUNT = re.compile(r"[0-9]{12}\Z")
# No bucket's name holds any of these characters; the names are those of examples in the pages of AWS and Nimble.
_PLACEHOLDER = re.compile(
    r"[<>{}\[\]$%]|\b(YOUR|MY|BUCKET|EXAMPLE)[_-]|[A-Z]{3,}[_-][A-Z_-]*(BUCKET|NAME)"
    r"|(?i:\byour-?(s3-?)?(bucket|name)|\A(my-)?bucket-?name\Z|example-?bucket|\Aamzn-s3-demo-)"
)
_TEMPLATE_VARIABLE = re.compile(r"\$\{[^}:*?$]+\}")
"""A variable of Terraform or CloudFormation: a key of IAM has a colon in its name."""
# Source: service authorization reference of Amazon S3, and "Actions" in the S3 user guide.
_OPERATIONS = {
    "headbucket": "s3:ListBucket",
    "headobject": "s3:GetObject",
    "listobjects": "s3:ListBucket",
    "listobjectsv2": "s3:ListBucket",
    "listobjectversions": "s3:ListBucketVersions",
    "listmultipartuploads": "s3:ListBucketMultipartUploads",
    "listparts": "s3:ListMultipartUploadParts",
    "listbuckets": "s3:ListAllMyBuckets",
    "createmultipartupload": "s3:PutObject",
    "uploadpart": "s3:PutObject",
    "completemultipartupload": "s3:PutObject",
    "postobject": "s3:PutObject",
    "copyobject": "s3:PutObject",
    "deleteobjects": "s3:DeleteObject",
    "getbucketencryption": "s3:GetEncryptionConfiguration",
    "putbucketencryption": "s3:PutEncryptionConfiguration",
    "getbucketlifecycle": "s3:GetLifecycleConfiguration",
    "getbucketlifecycleconfiguration": "s3:GetLifecycleConfiguration",
    "putbucketlifecycleconfiguration": "s3:PutLifecycleConfiguration",
    "deletebucketencryption": "s3:PutEncryptionConfiguration",
}
"""API operations that are authorised as an action of another name."""


def path_of(document: PolicyDocument, statement: Statement) -> str:
    """Return the JSON path of a statement."""
    if document.fragment:
        return "$"
    return f"$.Statement[{statement.index}]" if isinstance(document.value["Statement"], list) else "$.Statement"


def _correction(path: str, text: str, to: str) -> Fix:
    """Return the fix that writes ``to`` in place of ``text`` at a JSON path; to edit by hand where it is empty."""
    if not to:
        return Fix(FixAction.EDIT)
    return fix(FixAction.CORRECT, element=path.rpartition(".")[2], text=text, to=to)


def _removal(statement: Statement) -> Fix:
    """Return the fix that removes a statement, which no principal loses anything by where the cloud refuses it."""
    return fix(FixAction.REMOVE_STATEMENT, statement=statement.sid or str(statement.index + 1))


def names_nimble(statement: Statement) -> bool:
    """Return whether a statement names a principal of Nimble's account."""
    return any(facts().account in named for named in statement.principals.aws)


def principal_findings(statement: Statement, path: str) -> Iterator[Finding]:
    """Yield the principals that the service refuses."""
    element = f"{path}.{'NotPrincipal' if statement.not_principal else 'Principal'}"
    where = statement.label
    if statement.not_principal and statement.effect == "Allow":
        removal = _removal(statement)
        yield finding("allow-not-principal", "Allow with NotPrincipal", where=where, path=element, fix=removal)
    for named in statement.principals.aws:
        # A guard would be weakened by the removal of a principal, and one without principals is none.
        removal = Fix(FixAction.EDIT)
        if statement.effect == "Allow" and not statement.not_principal:
            removal = fix(FixAction.REMOVE_PRINCIPAL, SideEffect.PRINCIPAL_LOSES_ACCESS, principal=named)
        if is_unique_id(named):
            message = f"{named} is the id of a deleted user or role"
            if not statement.not_principal or len(set(statement.principals.named)) > 1:
                removal = fix(FixAction.REMOVE_PRINCIPAL, principal=named)
            yield finding("deleted-principal", message, where=where, path=element, fix=removal)
        elif problem := _problem_of_principal(named):
            yield finding("invalid-principal", f"{named!r} {problem}", where=where, path=element, fix=removal)
    for named in statement.principals.service:
        if problem := _problem_of_service(named):
            yield finding("invalid-principal", f"{named!r} {problem}", where=where, path=element)


def _problem_of_principal(named: str) -> str:
    if _ACCOUNT.match(named) or _ORIGIN_IDENTITY.match(named):
        return ""
    if named != named.strip():
        return "has a space at its end" if named != named.rstrip() else "has a space at its beginning"
    if "*" in named or "?" in named:
        return "has a wildcard inside an ARN"
    if ":group/" in named:
        return "is a group, which no policy can name as a principal"
    if caller(named).kind != "aws" or not _IDENTITIES.match(named):
        return "is no ARN of a user, role or account"
    if "/" in named and not _NAMED_IDENTITY.match(named.split(":", 5)[5]):
        return "has a character that no name of a user, role or session has"
    return ""


def _problem_of_service(named: str) -> str:
    if named.startswith("arn:") or _ACCOUNT.match(named):
        return "is no service; a user, role or account stands under AWS"
    if named != "*" and re.search(r"[*?\s]", named):
        return "is no name of a service"
    return ""


def action_findings(document: PolicyDocument, statement: Statement, path: str) -> Iterator[Finding]:
    """Yield the actions that the service refuses, or that this program's table does not have."""
    element = f"{path}.{'NotAction' if statement.not_action else 'Action'}"
    where = statement.label
    for wanted in statement.actions:
        service, _, name = wanted.partition(":")
        if wanted != "*" and ("*" in service or "?" in service):
            message = f"{wanted!r} has a wildcard in the name of the service"
            to = f"{document.kind}:{name}"
            yield finding("wildcard-service", message, where=where, path=element, fix=_correction(element, wanted, to))
            continue
        known = [each for each in known_actions(wanted) if each.name.startswith(_SERVICES[document.kind])]
        if known:
            yield from _without_resource(document, statement, wanted, element)
        elif service.lower() == "s3express" and document.kind == "s3":
            message = f"{wanted} is of directory buckets"
            yield finding("directory-bucket", message, where=where, path=element, fix=_of_directory_bucket(statement))
        elif document.kind == "s3" and service.lower() == "s3" and name.lower() in _OPERATIONS:
            meant = _OPERATIONS[name.lower()]
            message = f"{wanted} is an API operation; it is authorised as {meant}"
            correction = _correction(element, wanted, meant)
            yield finding("operation-not-action", message, where=where, path=element, fix=correction)
        else:
            yield _unknown_action(document, statement, wanted, element)


def _of_directory_bucket(statement: Statement) -> Fix:
    """Return the fix of a statement about a directory bucket: its removal, unless it is about another bucket too."""
    services = {each.split(":", 1)[0].lower() for each in statement.actions}
    services |= {each.split(":")[2] for each in statement.resources if each.count(":") > 1}
    of_others = services - {"s3express"} or "*" in (*statement.actions, *statement.resources)
    return Fix(FixAction.EDIT) if of_others else _removal(statement)


def _unknown_action(document: PolicyDocument, statement: Statement, wanted: str, element: str) -> Finding:
    table = action_table()
    names = [each.name for each in table.actions.values() if each.name.startswith(_SERVICES[document.kind])]
    meant = closest(wanted, names)
    of_service = wanted.lower().startswith(_SERVICES[document.kind])
    # A statement for others may hold an action that is newer than the table.
    newer = of_service and _ACTION.match(wanted) is not None and not names_nimble(statement)
    message = f"{wanted!r} matches no action of {document.kind.upper()}"
    message += f"; {meant} is similar" if meant else ""
    message += f"; the table of actions is of {table.date}" if newer else ""
    return finding(
        "unknown-action",
        message,
        where=statement.label,
        path=element,
        fix=_correction(element, wanted, meant or ""),
        severity="warning" if newer else "error",
    )


def _without_resource(document: PolicyDocument, statement: Statement, wanted: str, element: str) -> Iterator[Finding]:
    if document.kind != "s3" or statement.not_action or statement.not_resource:
        return
    kinds = frozenset().union(*(each.resources for each in known_actions(wanted)))
    if not any(_may_be(kinds, resource) for resource in statement.resources):
        names = " and ".join(sorted(kinds)) or "no resource"
        message = f"{wanted} works on {names}, and no resource here is one"
        yield finding("action-without-resource", message, where=statement.label, path=element)


def _may_be(kinds: frozenset[str], resource: str) -> bool:
    """Return whether a pattern of Resource can be a bucket or an object, as ``kinds`` has it."""
    name = resource.split(":", 5)[-1]
    if resource == "*" or ":accesspoint/" in resource or not resource.startswith("arn:"):
        return True
    is_object = "/" in name or "*" in name or "${" in name
    is_bucket = "/" not in name
    return (is_object and "object" in kinds) or (is_bucket and "bucket" in kinds)


def resource_findings(
    document: PolicyDocument, statement: Statement, path: str, target: Target | None
) -> Iterator[Finding]:
    """Yield the resources that the service refuses, for the ``target`` when it is known."""
    element = f"{path}.{'NotResource' if statement.not_resource else 'Resource'}"
    where = statement.label
    for resource in statement.resources:
        parts = resource.split(":", 5)
        service = parts[2] if len(parts) == 6 and parts[0] == "arn" else ""
        if "${" in resource and not statement.variables:
            yield finding("old-version", f"{resource!r} is taken literally", where=where, path=element)
        problem = _malformed(resource, target, variables=statement.variables) if document.kind == "s3" else None
        if problem is not None:
            code, message, to = problem
            yield finding(code, message, where=where, path=element, fix=_correction(element, resource, to))
        elif resource == "*" or service == document.kind:
            if target is not None and document.kind == "s3":
                yield from _other_bucket(statement, resource, element, target)
        elif document.kind == "s3" and service == "s3express":
            message = f"{resource} is a directory bucket"
            yield finding("directory-bucket", message, where=where, path=element, fix=_of_directory_bucket(statement))
        else:
            yield _invalid_resource(document, resource, where, element)


def _malformed(resource: str, target: Target | None, *, variables: bool) -> tuple[str, str, str] | None:
    """Return the code, the message and the correction of a resource that is not written as an ARN of S3 is."""
    if resource != resource.strip():
        return "invalid-resource", f"{resource!r} has a space at its beginning or end", resource.strip()
    name = resource.removeprefix(BUCKET_ARN)
    found = _TEMPLATE_VARIABLE.search(resource)
    # Without variables, a key may hold the text as it is; the name of a bucket never does.
    if found is not None and (variables or "/" not in resource[: found.start()]):
        to = f"{BUCKET_ARN}{target.bucket}{''.join(name.partition('/')[1:])}" if target is not None else ""
        whole = name != resource and found.group() == name.partition("/")[0]
        return "placeholder", f"{found.group()} is left of a template; IAM does not know it", to if whole else ""
    parts = resource.split(":", 5)
    if len(parts) == 6 and parts[:1] + parts[2:3] == ["arn", "s3"] and ":accesspoint/" not in resource:
        region, account, name = parts[3:]
        if re.search(r"[^*?]", region + account):
            message = f"{resource!r}: the ARN of a bucket names no Region and no account"
            return "invalid-resource", message, f"arn:{parts[1]}:s3:::{name}"
    return None


def _invalid_resource(document: PolicyDocument, resource: str, where: str, element: str) -> Finding:
    message, to = f"{resource!r} is no ARN of {document.kind.upper()}", ""
    if resource.lower().startswith("s3://"):
        to = BUCKET_ARN + resource[5:]
        message = f"{resource!r} is a URL; a policy names an ARN"
    elif "://" in resource:
        message = f"{resource!r} is a URL; a policy names an ARN"
    elif document.kind == "s3" and not resource.startswith("arn:") and ":" not in resource:
        to = BUCKET_ARN + resource
    return finding("invalid-resource", message, where=where, path=element, fix=_correction(element, resource, to))


def _other_bucket(statement: Statement, resource: str, element: str, target: Target) -> Iterator[Finding]:
    if not resource.startswith(BUCKET_ARN) or statement.not_resource or _may_be_in(target, statement, resource):
        return
    name, slash, rest = resource.removeprefix(BUCKET_ARN).partition("/")
    to = f"{BUCKET_ARN}{target.bucket}{slash}{rest}"
    if _PLACEHOLDER.search(name):
        message = f"{name} is a placeholder; the bucket is {target.bucket}"
        correction = _correction(element, resource, to)
        yield finding("placeholder", message, where=statement.label, path=element, fix=correction)
        return
    # Which bucket a statement for another party is meant for is not known.
    message = f"{resource} is not in the bucket {target.bucket}"
    yield finding("wrong-bucket", message, where=statement.label, path=element, fix=fix(FixAction.EDIT, to=to))


def _may_be_in(target: Target, statement: Statement, resource: str) -> bool:
    # A variable may stand for any part of a name, also for one of this bucket.
    parts = template(resource, variables=statement.variables, wildcards=True).parts
    given = resource_pattern(tuple(Wildcard.RUN if isinstance(each, Variable) else each for each in parts))
    own = (Pattern((target.bucket_arn,)), Pattern((f"{target.bucket_arn}/", Wildcard.RUN)))
    try:
        return any(intersects(given, each) for each in own)
    except StateLimitError:
        return True
