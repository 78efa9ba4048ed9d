"""Options and documents of the policy commands: the target's options, reading documents, converting errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from harvester.cli.shared.options.given_files import check_length, read_at_most, unreadable_file
from harvester.cli.shared.options.option_errors import option_inapplicable
from harvester.cli.shared.options.parameters import SIZE
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError

if TYPE_CHECKING:
    from policies import AccessContract, PolicyDocument, Target

Command = TypeVar("Command", bound=Callable[..., Any])
STANDARD_INPUT = "-"
DEFAULT_MAX_POLICY_BYTES: Final = 1024**2
"""Bytes that a policy document may have: S3 stores 20 KiB, KMS 32 KiB, with a saved snapshot around them."""
_KINDS = {"s3": "s3", "kms": "s3", "gcs": "gs"}


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """The options that name a contract and its target."""

    mode: str
    """The delivery mode."""
    cloud: str | None
    """The cloud; None for that of the document."""
    bucket: str
    """The bucket's name."""
    prefixes: dict[str, str | None]
    """The prefixes as given."""
    kms_key: str | None
    """The ARN of the bucket's key."""
    principal: str | None
    """Another principal than Nimble's documented one."""
    region: str
    """The bucket's region, or empty."""
    account: str
    """The bucket's account, or empty."""

    def resolve(self, kind: str = "s3") -> tuple[AccessContract, Target]:
        """Return the contract and the target; ``kind`` is that of the document, for when no cloud was
        named."""
        from policies import contract, target

        with policy_errors():
            found = contract(self.mode, self.cloud or _KINDS[kind], principal=self.principal)
            return found, target(
                found,
                self.bucket,
                prefixes=self.prefixes,
                key_arn=self.kms_key,
                region=self.region,
                account=self.account,
            )


def target_options(command: Command) -> Command:
    """Add the options that select the contract and its target; the command takes them as ``target``."""
    options = [
        click.option("--mode", type=click.Choice(["async", "jobs"]), required=True, help="The delivery mode."),
        click.option("--bucket", required=True, metavar="NAME", help="The bucket's name."),
        click.option(
            "--prefix",
            metavar="PREFIX",
            help="async: where results are delivered. Default: the whole bucket.",
        ),
        click.option(
            "--input", "input_prefix", metavar="PREFIX", help="jobs: the prefix of the input. Default: input/."
        ),
        click.option(
            "--output",
            "output_prefix",
            metavar="PREFIX",
            help="jobs: the prefix of the results. Default: output/. With one of the two, the other is not granted.",
        ),
        click.option("--kms-key", metavar="ARN", help="The customer-managed key that encrypts the bucket."),
        click.option("--principal", metavar="ARN", help="Another principal than the one Nimble documents."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def target_of(options: dict[str, Any]) -> TargetOptions:
    """Take the contract's options out of a command's options."""
    prefixes = {
        "prefix": options.pop("prefix"),
        "input": options.pop("input_prefix"),
        "output": options.pop("output_prefix"),
    }
    return TargetOptions(
        options.pop("mode"),
        options.pop("cloud", None),
        options.pop("bucket"),
        prefixes,
        options.pop("kms_key"),
        options.pop("principal"),
        options.pop("region", None) or "",
        options.pop("account", None) or "",
    )


@contextmanager
def policy_errors() -> Iterator[None]:
    """Convert the errors of the policies package; loads what that takes only when it is used."""
    from harvester.access import policy_errors_converted

    with policy_errors_converted():
        yield


def read_text(source: str, max_bytes: int) -> bytes:
    """Return what a file holds, or standard input for ``-``.

    Raises UsageError when it cannot be read, or is longer than ``max_bytes``.
    """
    if source == STANDARD_INPUT:
        return _bounded(read_at_most(sys.stdin.buffer, max_bytes), "standard input", max_bytes)
    if "://" in source:
        raise UsageError(
            f"not a file: {source}",
            cause="this command takes a saved policy document",
            code=ErrorCode.POLICY_FILE_REQUIRED,
            subject=source,
        )
    try:
        with Path(source).open("rb") as file:
            return _bounded(read_at_most(file, max_bytes), source, max_bytes)
    except OSError as error:
        raise unreadable_file(f"cannot read {source}", source, error) from error


def _bounded(text: bytes, source: str, max_bytes: int) -> bytes:
    check_length(text, source, max_bytes, "max_policy_bytes")
    return text


def parse_document(text: bytes, source: str, kind: str | None, bucket: str = "") -> PolicyDocument:
    """Read a document, or a bare statement; raises IntegrityError with the line and column of the problem.

    Of several policies in what a tool printed, that for ``bucket`` is taken.
    """
    with policy_errors():
        return parse_raw(text, source, kind, bucket)


def parse_raw(text: bytes, source: str, kind: str | None, bucket: str = "") -> PolicyDocument:
    """Read a document, or a bare statement; raises the errors of the policies package."""
    from policies import parse

    name = "standard input" if source == STANDARD_INPUT else source
    return parse(text, kind=kind, source=name, fragment=True, bucket=bucket)  # type: ignore[arg-type]  # click checked the choice


kind_option = click.option(
    "--kind", type=click.Choice(["s3", "kms", "gcs"]), help="What the document is. Default: by its content."
)
fail_on_option = click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info"]),
    default="error",
    show_default=True,
    help="The least severity of findings that exits 10.",
)
accept_unknown_option = click.option(
    "--accept-unknown",
    multiple=True,
    metavar="REASON",
    help="Pass a requirement that is unknown for this reason, such as condition:aws:SourceIp; may be repeated.",
)


policy_bytes_option = click.option(
    "--max-policy-bytes",
    type=SIZE,
    metavar="SIZE",
    default=DEFAULT_MAX_POLICY_BYTES,
    show_default="1MiB",
    help="Refuse a longer document.",
)

inherited_option = click.option(
    "--inherited",
    multiple=True,
    metavar="FILE",
    help="Google Cloud: the policies of project, folders and organisation, as gcloud projects get-ancestors-iam-policy"
    " --format json prints them; may be repeated.",
)


def read_inherited(files: Sequence[str], cloud: str, max_bytes: int) -> tuple[PolicyDocument, ...] | None:
    """Return the policies in files of ``--inherited``; None without a file. Raises UsageError for another cloud."""
    if not files:
        return None
    if cloud != "gs":
        raise option_inapplicable(
            "--inherited is for Google Cloud", "--inherited", cause="a bucket policy of S3 inherits from no other"
        )
    from policies import parse_inherited

    with policy_errors():
        return tuple(policy for file in files for policy in parse_inherited(read_text(file, max_bytes), source=file))


def change_options(command: Command) -> Command:
    """Add the options of what a change does besides adding the contract's statements."""
    for option in (
        click.option(
            "--without-principal",
            "without_principals",
            multiple=True,
            metavar="PRINCIPAL",
            help="Also remove this principal or member wherever it is allowed; may be repeated.",
        ),
        click.option(
            "--without-statement",
            "without",
            multiple=True,
            metavar="SID",
            help="Also remove this statement of the bucket's policy, by Sid or number; may be repeated.",
        ),
        click.option(
            "--narrow", is_flag=True, help="Also replace statements for Nimble alone that go beyond the prefix."
        ),
        click.option(
            "--correct",
            is_flag=True,
            help="Also correct what the cloud would refuse, where it is certain what is meant.",
        ),
        click.option(
            "--exempt", is_flag=True, help="Also exempt Nimble, within the contract, from statements that deny it."
        ),
    ):
        command = option(command)
    return command


def change_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `change_options` added to a command's options, as the keywords of `plan_policy`."""
    return {name: options[name] for name in ("exempt", "narrow", "correct", "without", "without_principals")}


cloud_option = click.option("--cloud", type=click.Choice(["s3", "gs"]), help="The cloud. Default: the document's.")


def print_note(text: str = "") -> None:
    """Print a line for people to standard error."""
    click.echo(text, err=True)


def describe_target(contract: AccessContract, resolved: Target) -> None:
    """Print the principal and the target, with the prefixes as they were understood, to standard error."""
    print_note(f"{contract.mode} on {contract.cloud}: {contract.principal}")
    if contract.principal_inferred:
        print_note("  not the principal Nimble documents")
    for name in resolved.prefixes:
        print_note(f"  {name}: {resolved.url(name)}{'' if resolved.prefixes[name] else ' (the whole bucket)'}")
    for role in contract.prefixes:
        if role.name not in resolved.prefixes:
            print_note(f"  {role.name}: none given, none granted")
    if resolved.key_arn:
        print_note(f"  key: {resolved.key_arn}")
