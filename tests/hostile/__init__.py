"""Hostile keys, payloads, faults and surroundings: the tables of the tests, and the page made of them."""
