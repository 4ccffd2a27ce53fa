"""Which users a share means: the same in Python, TypeScript and SQL. Pure; standard library only.

    bucket("whatschat-production", Service.CHIME, "alice")   0 to 99, always the same
    in_cohort(..., share=10)                                 bucket < 10

The bucket is the first four bytes (big-endian) of the SHA-256 of these bytes, times 100, shifted right by 32 bits:

    UTF-8 of: stack + "\\n" + service + "\\n" + user id

`stack` is the value of the stack's tag, `service` is `chime` or `websocket`; neither has a line break in it, so that no two
triples give the same bytes. The user id is taken as it stands: no normalisation, no change of case. A lone surrogate (JSON
can say one, UTF-8 cannot) is U+FFFD, as TextEncoder has it. Who is in at 10 % is in at 50 %; the cohorts of the two services
are independent. Test vectors: docs/reader/cohort-vectors.json.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Final

BUCKETS: Final = 100
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Service(StrEnum):
    """What is migrated: calls to Chime SDK, sockets to API Gateway."""

    CHIME = "chime"
    WEBSOCKET = "websocket"


def hashed_bytes(stack: str, service: Service, user: str) -> bytes:
    """What is hashed."""
    return _LONE_SURROGATE.sub("\ufffd", f"{stack}\n{service.value}\n{user}").encode()


def bucket(stack: str, service: Service, user: str) -> int:
    """The bucket of a user, 0 to 99."""
    digest = hashlib.sha256(hashed_bytes(stack, service, user)).digest()
    return int.from_bytes(digest[:4], "big") * BUCKETS >> 32


def in_cohort(stack: str, service: Service, user: str, *, share: int) -> bool:
    """Whether a user is among the first `share` percent."""
    return bucket(stack, service, user) < share
