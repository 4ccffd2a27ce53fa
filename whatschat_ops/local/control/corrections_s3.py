"""The rows of the table of corrections for S3."""

from __future__ import annotations

import errno
from typing import Any, Final

from whatschat_ops.local.control.correction import Correction


def _require_written(s3: Any) -> None:
    persist = s3._persist_object

    def persist_object(bucket: str, key: str, record: Any) -> None:
        persist(bucket, key, record)
        # It drops the body of what it has written from memory, and logs why it has not.
        if isinstance(record, dict) and record.get("body") is not None:
            raise OSError(errno.EIO, f"The object {key} was not written; see service.log")

    s3._persist_object = persist_object


S3: Final = (
    Correction(
        what="answers 200 to a request whose object it could not write to the disk",
        why="an error, so that the client tries again",
        source="S3 API Reference, PutObject: a success response means that the entire object was added",
        replaces=("s3._persist_object",),
        apply=lambda modules, _: _require_written(modules.s3),
    ),
)
