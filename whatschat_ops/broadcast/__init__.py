"""A broadcast: its audience, the journal of its outcomes, and the run that can be resumed."""
