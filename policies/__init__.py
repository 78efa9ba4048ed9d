"""What a policy means: documents in, documents out; no network, no disk of its own, no terminal."""

from policies.contracts import AccessContract, Requirement, contract
from policies.errors import ContractError, GrammarError, MergeError, ParseError, PolicyError
from policies.vendor import NimbleFacts, facts

__all__ = [
    "AccessContract",
    "ContractError",
    "GrammarError",
    "MergeError",
    "NimbleFacts",
    "ParseError",
    "PolicyError",
    "Requirement",
    "contract",
    "facts",
]
