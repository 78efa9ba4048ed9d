"""The errors of this package.

PolicyError
├── ContractError   a contract, principal, bucket, prefix or key that cannot be
├── ParseError      a text that is not JSON as the clouds read it; knows line and column
├── GrammarError    JSON that is no policy; knows the JSON path
└── MergeError      a change whose outcome the cloud would refuse, or that the document cannot hold
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.checks import Finding


class PolicyErrorCode(StrEnum):
    """The kinds of failure; the command line words the next step of each."""

    NOT_DOCUMENTED = "not_documented"
    NOT_AN_ACCOUNT = "not_an_account"
    KEY_OF_ANOTHER_ACCOUNT = "key_of_another_account"
    DOCUMENTED_NOT_NARROWED = "documented_not_narrowed"
    BARE_STATEMENT = "bare_statement"
    OTHER_CLOUD = "other_cloud"
    UNKNOWN_ABILITY = "unknown_ability"
    NOT_A_READER = "not_a_reader"
    NOT_A_QUEUE_ARN = "not_a_queue_arn"
    NOT_A_SUBSCRIPTION = "not_a_subscription"
    NOTIFICATIONS_INVALID = "notifications_invalid"
    PREFIX_UNKNOWN = "prefix_unknown"
    BUCKET_NAME_INVALID = "bucket_name_invalid"
    KEY_ON_GCS = "key_on_gcs"
    NOT_A_KEY_ARN = "not_a_key_arn"
    NO_SUCH_CONTRACT = "no_such_contract"
    NOT_A_POLICY = "not_a_policy"
    NOT_INHERITED = "not_inherited"
    NOTIFICATIONS_OVERLAP = "notifications_overlap"
    FIFO_QUEUE = "fifo_queue"
    QUEUE_IN_ANOTHER_REGION = "queue_in_another_region"
    ESCAPES_UNKNOWN = "escapes_unknown"
    NO_SUCH_STATEMENT = "no_such_statement"
    PRINCIPAL_NOT_NAMED = "principal_not_named"
    NOTHING_TO_RENDER = "nothing_to_render"
    GCS_IN_CLOUDFORMATION = "gcs_in_cloudformation"
    KEY_OUTSIDE_TEMPLATE = "key_outside_template"
    NOT_A_MEMBER = "not_a_member"
    NOT_AN_IAM_USER = "not_an_iam_user"
    WILDCARD_IN_PRINCIPAL = "wildcard_in_principal"
    PREFIX_OF_ANOTHER_BUCKET = "prefix_of_another_bucket"
    PREFIX_WITH_SPACE = "prefix_with_space"
    PREFIX_TOO_LONG = "prefix_too_long"
    KEY_IN_ANOTHER_PARTITION = "key_in_another_partition"
    NOT_A_CONDITION_VALUE = "not_a_condition_value"
    UNKNOWN_OPERATOR = "unknown_operator"
    UNKNOWN_VERSION = "unknown_version"
    NO_EFFECT = "no_effect"
    IDENTITY_POLICY = "identity_policy"
    TWO_DOCUMENTS = "two_documents"
    CLOUDFORMATION_TEMPLATE = "cloudformation_template"
    NO_STATEMENT = "no_statement"
    NO_BINDINGS = "no_bindings"
    OTHER_BUCKETS = "other_buckets"
    NO_POLICY_INSIDE = "no_policy_inside"
    SEVERAL_POLICIES = "several_policies"
    NO_PRINCIPAL = "no_principal"
    UNKNOWN_PRINCIPAL_KIND = "unknown_principal_kind"
    NOT_UTF8 = "not_utf8"
    BYTE_ORDER_MARK = "byte_order_mark"
    TEXT_AFTER_DOCUMENT = "text_after_document"
    COMMENT_IN_JSON = "comment_in_json"
    REPEATED_KEY = "repeated_key"
    TRAILING_COMMA = "trailing_comma"
    TERRAFORM_SOURCE = "terraform_source"
    YAML_SOURCE = "yaml_source"
    CURLY_QUOTE = "curly_quote"
    NOT_JSON = "not_json"


class PolicyError(Exception):
    """A failure a person can act on: what failed, why, and what to correct."""

    def __init__(
        self,
        what: str,
        *,
        cause: str = "",
        code: PolicyErrorCode | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the parts."""
        super().__init__(what)
        self.what = what
        """What failed, on which object."""
        self.cause = cause
        """The cause as far as known."""
        self.code = code
        """The kind of failure; None where the cause states all there is to do."""
        self.parameters: Mapping[str, str] = dict(parameters or {})
        """What the next step needs."""

    def as_parameters(self) -> dict[str, object]:
        """Return what a next step needs: the code as ``policy_error`` with its parameters; nothing without a code."""
        if self.code is None:
            return {}
        return {"policy_error": self.code.value, **self.parameters}

    def __str__(self) -> str:
        """Return what failed and why, in one line."""
        return f"{self.what}: {self.cause}" if self.cause else self.what


class ContractError(PolicyError):
    """A contract, principal, bucket, prefix or key that cannot be."""


class ParseError(PolicyError):
    """A text that is not JSON as the clouds read it."""

    def __init__(
        self,
        problem: str,
        *,
        line: int,
        column: int,
        source: str = "",
        code: PolicyErrorCode = PolicyErrorCode.NOT_JSON,
    ) -> None:
        """Keep where it is: ``line`` and ``column`` count from 1, in characters."""
        super().__init__(
            f"{source or 'the document'}, line {line}, column {column}",
            cause=problem,
            code=code,
        )
        self.problem = problem
        """What is wrong there."""
        self.line = line
        """The line, from 1."""
        self.column = column
        """The column in characters, from 1."""


class GrammarError(PolicyError):
    """JSON that is no policy document."""

    def __init__(
        self,
        problem: str,
        *,
        path: str,
        source: str = "",
        code: PolicyErrorCode | None = PolicyErrorCode.NOT_A_POLICY,
    ) -> None:
        """Keep where it is: ``path`` is a JSON path such as ``$.Statement[2].Condition``."""
        super().__init__(
            f"{source or 'the document'}, at {path}",
            cause=problem,
            code=code,
        )
        self.problem = problem
        """What is wrong there."""
        self.path = path
        """The JSON path of the offending value."""


class MergeError(PolicyError):
    """A change whose outcome the cloud would refuse, or that cannot be made in the document."""

    def __init__(
        self,
        what: str,
        *,
        cause: str = "",
        code: PolicyErrorCode | None = None,
        parameters: Mapping[str, str] | None = None,
        finding: Finding | None = None,
    ) -> None:
        """Keep the finding that the cloud would refuse the document for, where there is one."""
        super().__init__(what, cause=cause, code=code, parameters=parameters)
        self.finding = finding
        """What the cloud would refuse, with the fix that resolves it."""
