"""The customer's side of Nimble's asynchronous delivery: the live half (network, disk, terminal)."""

__version__ = "0.1.0"
