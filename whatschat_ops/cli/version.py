"""`--version --json`: what a bug report needs to know of this copy. It sends nothing anywhere, as no command does."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from whatschat_ops import __version__


@dataclass(frozen=True, slots=True)
class Version:
    """The versions that decide how the program behaves, how this copy was installed, and its extras."""

    version: str
    python: str
    platform: str
    botocore: str
    installer: str
    """What installed this copy, for example `pip`."""
    source: str | None
    """The folder, file or address that it was installed from; null when that was an index, or is not known."""
    editable: bool
    extras: list[str]


def this_version() -> Version:
    """The versions of this copy."""
    from importlib.metadata import version

    from whatschat_ops.installation import present_extras, this_installation

    copy = this_installation()
    return Version(
        __version__,
        platform.python_version(),
        platform.platform(),
        version("botocore"),
        copy.installer.value,
        copy.source,
        copy.editable,
        present_extras(),
    )
