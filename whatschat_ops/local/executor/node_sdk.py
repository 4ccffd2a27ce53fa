"""The AWS SDK for JavaScript that AWS's Node.js runtimes have built in, lent from a directory of this machine.

Node looks for a package in the `node_modules` of every parent directory. The code of functions is unpacked below a
directory whose `node_modules` has links to the SDK, so `require` and `import` find it, and a copy in the function's
own package comes first, as on AWS (Lambda guide, "Runtime-included SDK versions"). Nothing else that is installed in
the lent directory can be imported; the SDK's own dependencies are found behind its links.
"""

from __future__ import annotations

import re
from pathlib import Path

FIRST_WITH_SDK = 18
"""Node.js 18 is the first runtime with version 3 of the SDK, in packages named @aws-sdk (Lambda guide, "nodejs")."""

SCOPES = ("@aws-sdk", "@smithy")


def has_sdk(runtime: str) -> bool:
    """Whether AWS's runtime of that name, for example `nodejs20.x`, has version 3 of the SDK."""
    version = re.fullmatch(r"nodejs(\d+)\.x", runtime)
    return version is not None and int(version[1]) >= FIRST_WITH_SDK


def lend(node_modules: Path, root: Path) -> None:
    """Make the SDK in `node_modules` visible to the packages below `root`. Does nothing the second time."""
    links = root / "node_modules"
    for scope in SCOPES:
        source, link = (node_modules / scope).resolve(), links / scope
        if source.is_dir() and not link.is_symlink():
            links.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source, target_is_directory=True)
