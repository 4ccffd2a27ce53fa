"""`--version --json`: what a bug report needs to know of this copy. It sends nothing anywhere, as no command does."""

from __future__ import annotations

import platform

from whatschat_ops import __version__


def version_document() -> dict[str, object]:
    """The versions that decide how the program behaves, how this copy was installed, and its extras."""
    from importlib.metadata import version

    from whatschat_ops.installation import present_extras, this_installation

    copy = this_installation()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "botocore": version("botocore"),
        "installer": copy.installer.value,
        "source": copy.source,
        "editable": copy.editable,
        "extras": present_extras(),
    }
