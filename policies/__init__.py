"""What a policy means: documents in, documents out; no network, no disk of its own, no terminal."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.branching import Constraint
    from policies.checking import Report, check, forecast
    from policies.contracts import AccessContract, Requirement, contract
    from policies.documents import PolicyDocument, Statement, document, parse
    from policies.errors import ContractError, GrammarError, MergeError, ParseError, PolicyError
    from policies.evaluation import evaluate, prepare
    from policies.exemptions import Exemption
    from policies.findings import RULES, Finding, Rule
    from policies.generation import generate, generate_key_policy, generate_key_statement
    from policies.merging import Change, merge
    from policies.places import Place, place
    from policies.preparation import Decision, Prepared, Request
    from policies.proof import Proof, Verdict, prove
    from policies.reader import reader_documents
    from policies.rendering import render
    from policies.schemas import schema
    from policies.simulation import simulate_lines
    from policies.vendor import NimbleFacts, facts

# Imported when first asked for: whoever wants a fact about Nimble does not load the evaluator.
_HOME = {
    "AccessContract": "contracts",
    "Change": "merging",
    "Constraint": "branching",
    "ContractError": "errors",
    "Decision": "preparation",
    "Exemption": "exemptions",
    "Finding": "findings",
    "GrammarError": "errors",
    "MergeError": "errors",
    "NimbleFacts": "vendor",
    "ParseError": "errors",
    "Place": "places",
    "PolicyDocument": "documents",
    "PolicyError": "errors",
    "Prepared": "preparation",
    "Proof": "proof",
    "RULES": "findings",
    "Report": "checking",
    "Request": "preparation",
    "Requirement": "contracts",
    "Rule": "findings",
    "Statement": "documents",
    "Verdict": "proof",
    "check": "checking",
    "contract": "contracts",
    "document": "documents",
    "evaluate": "evaluation",
    "facts": "vendor",
    "forecast": "checking",
    "generate": "generation",
    "generate_key_policy": "generation",
    "generate_key_statement": "generation",
    "merge": "merging",
    "parse": "documents",
    "place": "places",
    "prepare": "evaluation",
    "prove": "proof",
    "reader_documents": "reader",
    "render": "rendering",
    "schema": "schemas",
    "simulate_lines": "simulation",
}


def __getattr__(name: str) -> object:
    """Return a public name from its home."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'policies' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"policies.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__


__all__ = [
    "RULES",
    "AccessContract",
    "Change",
    "Constraint",
    "ContractError",
    "Decision",
    "Exemption",
    "Finding",
    "GrammarError",
    "MergeError",
    "NimbleFacts",
    "ParseError",
    "Place",
    "PolicyDocument",
    "PolicyError",
    "Prepared",
    "Proof",
    "Report",
    "Request",
    "Requirement",
    "Rule",
    "Statement",
    "Verdict",
    "check",
    "contract",
    "document",
    "evaluate",
    "facts",
    "forecast",
    "generate",
    "generate_key_policy",
    "generate_key_statement",
    "merge",
    "parse",
    "place",
    "prepare",
    "prove",
    "reader_documents",
    "render",
    "schema",
    "simulate_lines",
]
