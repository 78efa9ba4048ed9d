"""Options, output, progress and next steps that several verbs use."""
