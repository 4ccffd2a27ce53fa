"""The names of the kinds of runs. Imports nothing: a start of the command line needs them."""

from __future__ import annotations

from typing import Final

BROADCAST: Final = "broadcast"
PRUNE: Final = "prune"
DISCONNECT: Final = "disconnect"
COUNT: Final = "count"
"""Of rows (counting.py). It does nothing to connections, nor does:"""
SAMPLE: Final = "sample"
"""Rows with small hashes, of which the command chooses those that a broadcast is for."""
