"""Mutation tests: change a module in small ways and report the changes that no unit test notices."""
