"""The exact distributions that the built-in handlers carry into Lambda.

A newer version is a change of the zips, so it is made here and nowhere else: set the version and the wheel's
SHA-256 (`pip download --no-deps NAME==VERSION && pip hash *.whl`); the test of this module prints the digest
of the content.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Pin(NamedTuple):
    """One version of a pure-Python distribution, and nothing else by that name."""

    name: str
    version: str
    wheel_sha256: str
    """Of the wheel on PyPI, in hexadecimal: what may be downloaded."""
    content_sha256: str
    """`vendored.content_digest` of the files that we take from it: what may be used."""

    @property
    def requirement(self) -> str:
        """The line for pip, with its hash."""
        return f"{self.name}=={self.version} --hash=sha256:{self.wheel_sha256}"


PYJWT: Final = Pin(
    "PyJWT",
    "2.15.1",
    wheel_sha256="42d59d631f7768a1028a64c7ff581a9bf7519804daf91fc5b6c56e30eec5e193",
    content_sha256="e9159241294479b2826409194de11f1bf5f6847b61c3327afd70a660db9a159d",
)

WEBSOCKETS: Final = Pin(
    "websockets",
    "17.4",
    wheel_sha256="c6bd2c9781915592b209160d0f017d4c7c82ad53075e6b0c24d2a89299e7f9e9",
    content_sha256="1f6b5a7bb8797780f52ec8915bc4fec691e43f9aa928b8a36b53192fe0b376d4",
)
