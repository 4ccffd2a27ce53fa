"""Proof that the policies are minimal: for each action taken out, what breaks. `python -m tests.minimality` shows it all."""
