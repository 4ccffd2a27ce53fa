"""What an error text, a code or a close code means, its likely causes, and the command to run next. Calls nothing.

Public: `entries` (the knowledge, from explanations.yaml), `search` (a pasted text -> the entries that fit, best first).
"""

from whatschat_ops.explain.entries import Entry, entries
from whatschat_ops.explain.matching import Found, search

__all__ = ["Entry", "Found", "entries", "search"]
