"""A broadcast: who gets it, the journal of who got it, and the run that can be resumed."""
