"""Files that hold secrets: they stay out of a zip unless a pattern of the settings takes them in.

Everyone who may call `lambda:GetFunction` can download a function's code.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Final

from whatschat_ops.packaging.content import ZipContent

NAMES: Final = (
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    ".env~",
    ".npmrc",
    ".yarnrc.yml",
    ".yarnrc",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    ".dev.vars",
    ".dev.vars.*",
    ".vault-token",
    "*.tfvars",
    "*.tfstate",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_*_sk",
    "*.key",
    "*.p8",
    "*.p12",
    "*.pfx",
    "*.ppk",
    "*.jks",
    "*.keystore",
    "*.kdbx",
)
PATHS: Final = ("*.aws/credentials", "*.docker/config.json", "*.kube/config", "*.ssh/*")
EXAMPLES: Final = re.compile(r"\.(?:example|sample|template|dist|defaults)$")
"""Ends of names of files that show what a file of secrets looks like."""

_HEADING: Final = rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
PRIVATE_KEY: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*" + _HEADING)
"""The beginning of a file in PEM or OpenPGP format (RFC 7468, RFC 9580); code that only has the words begins otherwise."""
KEY_BEHIND: Final = re.compile(rb"^" + _HEADING + rb"[ \t]*\r?$", re.MULTILINE)
"""The same behind explanatory text or a certificate (RFC 7468, section 2): in one file for both, as many servers read them."""
CODE: Final = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".map", ".py", ".md")
"""Ends of names of files that may quote a key in a text of several lines."""

CLOUD_LOGIN: Final = re.compile(rb'"type"\s*:\s*"(?:service_account|authorized_user)"')
LARGEST_KEY_BYTES: Final = 64 * 1024


def without_private_files(
    content: ZipContent, include: Iterable[str], say: Callable[[str], None]
) -> ZipContent:
    """The content without secrets; `include` are patterns of paths that stay. A warning names what was left out."""
    private = [path for path in sorted(content.files) if _is_private(path, content.files[path])]
    left_out = {path for path in private if not any(_matches(path, pattern) for pattern in include)}
    if left_out:
        say(
            f"Warning: left out of the zip, because they may hold secrets: {', '.join(sorted(left_out))}. "
            "To put one in, name it with --include or in lambda.source.include."
        )
    files = {path: file for path, file in content.files.items() if path not in left_out}
    return ZipContent(files, {path: mode for path, mode in content.modes.items() if path in files})


def _matches(path: str, pattern: str) -> bool:
    """Does a pattern mean the path, or (without a slash) its last part?"""
    return fnmatch.fnmatchcase(path, pattern) or (
        "/" not in pattern and fnmatch.fnmatchcase(PurePosixPath(path).name, pattern)
    )


def _is_private(path: str, content: bytes) -> bool:
    name = PurePosixPath(path).name.lower()
    if not EXAMPLES.search(name) and (
        any(fnmatch.fnmatchcase(name, pattern) for pattern in NAMES)
        or any(fnmatch.fnmatchcase(path, pattern) for pattern in PATHS)
    ):
        return True
    if len(content) > LARGEST_KEY_BYTES:
        return False
    return bool(
        PRIVATE_KEY.match(content)
        or (not name.endswith(CODE) and KEY_BEHIND.search(content))
        or (name.endswith(".json") and CLOUD_LOGIN.search(content))
    )
