"""The numbers of a Snapshot that only grow.

Only the sending thread writes. A reader in another thread sees each number whole, but not all of one moment.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Named as in `model.Snapshot`."""

    delivered: int = 0
    gone: int = 0
    failed: int = 0
    attempts: int = 0
    account_throttled: int = 0
    client_buffer_full: int = 0
    server_errors: int = 0
    transport_errors: int = 0
    in_doubt: int = 0
