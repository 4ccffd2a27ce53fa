"""Where we keep what must outlive a command: the embedded AWS and its state."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory() -> Path:
    """The user's state directory for this program (WHATSCHAT_OPS_STATE_DIR overrides it). Not created."""
    override = os.environ.get("WHATSCHAT_OPS_STATE_DIR")
    if override:
        return Path(override)
    from platformdirs import user_state_path

    return user_state_path("whatschat-ops", appauthor=False)
