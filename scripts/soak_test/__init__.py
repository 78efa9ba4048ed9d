"""Interrupt syncs and event consumers at random instants and check what the next run leaves."""
