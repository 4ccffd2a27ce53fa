"""The directories for files that outlive a command: state (the embedded AWS, broadcasts) and cache."""

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


def cache_directory() -> Path:
    """The user's cache directory for this program (XDG_CACHE_HOME moves it on Linux). May be deleted at any time. Not created."""
    from platformdirs import user_cache_path

    return user_cache_path("whatschat-ops", appauthor=False)
