"""Run the installed command, in the foreground or beside the caller."""
