"""The page of results: its text, tables, goals and the machine."""
