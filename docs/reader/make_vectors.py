"""Writes the test vectors of the cohorts. `python docs/reader/make_vectors.py > docs/reader/cohort-vectors.json`"""

from __future__ import annotations

import hashlib
import json
import sys
from itertools import product

from whatschat_ops.migration.cohort import Service, bucket, hashed_bytes

STACKS = ("whatschat-local", "whatschat-production", "acme-whatschat-eu")
USERS = (
    *("alice", "bob", "Alice", "user-1", "user-2", "42", "", " ", "alice ", "a\nb", "a\0b", "0x1f", "null"),
    *("00000000-0000-4000-8000-000000000000", "auth0|5f7c8ec7c33c6c004bbafe82", "o'neil", 'say "hi"', "back\\slash"),
    *("caf\u00e9", "cafe\u0301", "안녕하세요", "王小明", "مرحبا", "Ωμέγα", "İstanbul", "ß", "\ufeffbom", "\u2028line"),
    *("😀", "👩‍👩‍👧‍👦", "\U0010ffff", "\ud800", "x\udc00y"),
    *("x" * 127, "x" * 128, "x" * 2_000, "é" * 1_000),
)  # fmt: skip


def main() -> None:
    """Print them."""
    vectors = [
        {
            "stack": stack,
            "service": service,
            "user": user,
            "sha256": hashlib.sha256(hashed_bytes(stack, service, user)).hexdigest(),
            "bucket": bucket(stack, service, user),
        }
        for stack, service, user in product(STACKS, Service, USERS)
        if len(user) < 1_000 or stack == STACKS[0]
    ]
    rule = "first 4 bytes (big-endian) of SHA-256(UTF-8(stack \\n service \\n user)) * 100 >> 32"
    lines = ",\n".join(f"    {json.dumps(each)}" for each in vectors)
    sys.stdout.write(f'{{\n  "rule": {json.dumps(rule)},\n  "vectors": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
