"""Match the principals of a statement, and recognise a principal that is written almost right."""

from __future__ import annotations

from difflib import SequenceMatcher

from policies.language import PrincipalMatch, Statement, caller, match_not_principals, match_principals


def match_statement_principals(statement: Statement, principal: str) -> PrincipalMatch:
    """Match the Principal or NotPrincipal element of a statement."""
    if statement.not_principal:
        return match_not_principals(statement.principals, caller(principal), deny=statement.effect == "Deny")
    return match_principals(statement.principals, caller(principal))


def is_like_principal(named: str, wanted: str) -> bool:
    """Return whether a principal is another one that resembles ``wanted``: a few letters or only the type differ."""
    if named == wanted or named.partition(":")[0] != wanted.partition(":")[0]:
        return False
    if not named.startswith("arn:"):
        return SequenceMatcher(None, named, wanted).ratio() >= 1 - 4 / len(wanted)
    same_name = named.split(":")[-1].partition("/")[2].strip() == wanted.split(":")[-1].partition("/")[2]
    return same_name or SequenceMatcher(None, named, wanted).ratio() >= 1 - 4 / len(wanted)
