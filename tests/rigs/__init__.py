"""Surroundings that only tests need: file systems, vendor command lines, answers moto does not give.

The servers are in ``scripts/servers``; the fixtures in ``tests/conftest.py``.
"""
