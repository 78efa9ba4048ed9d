"""How reports are printed, for people and as JSON."""
