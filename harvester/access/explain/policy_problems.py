"""Why a contract does not hold: the verdicts of `policies` and what it found in the documents, with what mends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harvester.access.bucket_snapshot import Snapshot, UnreadablePolicy, customer_key, is_key_arn
from harvester.access.delivery_targets import DeliveryTarget
from harvester.access.explain.problem import Gap
from policies import PolicyDocument, Proof, Report, Verdict


def deciding_labels(verdict: Verdict, policy: object) -> Iterator[str]:
    """Yield the statements that decide a verdict, as a person finds them."""
    if not isinstance(policy, PolicyDocument):
        return
    labels = {each.index: each.label for each in policy.statements}
    labels |= {each.index: each.label for each in policy.bindings}
    for reference in verdict.statements:
        if reference.index in labels:
            yield labels[reference.index]


def requirement_gaps(target: DeliveryTarget, proof: Proof | None, snapshot: Snapshot) -> Iterator[Gap]:
    """Yield one gap per reason, however many requirements it takes away."""
    if proof is None:
        return
    key = customer_key(snapshot)
    key_flags = (f"--kms-key {key.arn}",) if key is not None and is_key_arn(key.arn) else ()
    for verdicts, policy, document, flags in (
        (proof.verdicts, snapshot.policy, "bucket policy", ()),
        (proof.key_verdicts, snapshot.key_policy, "key policy", key_flags),
    ):
        by_reason: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Verdict]] = {}
        for verdict in verdicts:
            if not verdict.granted:
                reason = (verdict.effect, tuple(deciding_labels(verdict, policy)), verdict.needs)
                by_reason.setdefault(reason, []).append(verdict)
        for (effect, labels, needs), failing in by_reason.items():
            yield _requirement_gap(target, document, effect, labels, needs, failing, flags, policy)


def _requirement_gap(
    target: DeliveryTarget,
    document: str,
    effect: str,
    labels: tuple[str, ...],
    needs: tuple[str, ...],
    failing: Sequence[Verdict],
    flags: tuple[str, ...],
    policy: object,
) -> Gap:
    names = ", ".join(dict.fromkeys(each.requirement.id for each in failing))
    denies = isinstance(policy, PolicyDocument) and any(
        policy.statements[reference.index].effect == "Deny"
        for each in failing
        for reference in each.statements
        if policy.statements
    )
    flags = (*flags, "--exempt") if denies else flags
    because = "".join(f"; {need}" for need in needs)
    example = f", for example {failing[0].example}" if failing[0].example else ""
    if effect == "unknown":
        code = "requirement-undecided"
        on = ", ".join(dict.fromkeys(str(reason) for each in failing for reason in each.reasons))
        message = f"whether Nimble is allowed {names} is not decided: {on}{because}"
        fix = "Free the statement of the condition for Nimble's principal."
    elif effect == "explicitly_denied":
        code = "requirement-denied"
        message = f"Nimble is denied {names}{example}{because}"
        fix = "Exempt Nimble's principal from the Deny; nobody else's rights change."
    else:
        code = "requirement-missing"
        missing = "there is no policy" if policy is None else "no statement allows it"
        message = f"{missing}: {names}{example}{because}"
        fix = "Add the missing statements."
    where = f"{document}, {' and '.join(labels)}" if labels else document
    return Gap(
        code,
        "error",
        where,
        message,
        fix,
        (target.apply_command(flags),),
        apply_flags=flags,
        inferred=all(each.requirement.inferred for each in failing),
    )


# Told here otherwise: requirements with the statement that decides them, what is unknown, the chips.
_TOLD_OTHERWISE = frozenset(
    {
        "requirement-missing",
        "requirement-denied",
        "requirement-undecided",
        "key-not-checked",
        "inferred",
        "no-test-connection",
    }
)
# Mended by the statements that `policy apply` adds.
_MENDED_BY_APPLY = frozenset({"other-mode-principal", "principal-typo", "prefix-typo", "prefix-condition-on-list"})


def document_gaps(target: DeliveryTarget, snapshot: Snapshot, report: Report | None) -> Iterator[Gap]:
    """Yield what else is found in the documents."""
    for found, what in ((snapshot.policy, "bucket policy"), (snapshot.key_policy, "key policy")):
        if isinstance(found, UnreadablePolicy):
            yield Gap(
                "policy-not-readable",
                "error",
                what,
                f"{found.error.what}: {found.error.cause}",
                "Nothing can be proved by it, and nothing is merged into it; see what stores it.",
            )
    for each in report.findings if report is not None else ():
        if each.code in _TOLD_OTHERWISE:
            continue
        mended = each.code in _MENDED_BY_APPLY
        yield Gap(
            each.code,
            # What is misspelt matters only where a requirement fails for it, and then that is the error.
            "warning" if mended else each.severity,
            each.where or "policy",
            each.message,
            each.fix,
            (target.apply_command(),) if mended else (),
            apply_flags=() if mended else None,
        )
