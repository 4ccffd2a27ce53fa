"""The rows of the table of corrections for S3."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from whatschat_ops.local.control.correction import Correction
from whatschat_ops.local.control.wire import Response


def _require_written(s3: Any) -> None:
    persist = s3._persist_object

    def persist_object(bucket: str, key: str, record: Any) -> None:
        persist(bucket, key, record)
        # It drops the body of what it has written from memory, and logs why it has not.
        if isinstance(record, dict) and record.get("body") is not None:
            raise OSError(errno.EIO, f"The object {key} was not written; see service.log")

    s3._persist_object = persist_object


def _refuse_anonymous(s3: Any, iam_evaluator: Any) -> None:
    """Neither operation has a resource policy that could allow it to anonymous callers."""
    for name in ("_create_bucket", "_list_buckets"):
        setattr(s3, name, _signed_only(getattr(s3, name), s3, iam_evaluator))


def _signed_only(original: Callable[..., Response], s3: Any, iam_evaluator: Any) -> Callable[..., Response]:
    def signed_only(*arguments: Any, **options: Any) -> Response:
        if iam_evaluator._anonymous.get():
            refused: Response = s3._error("AccessDenied", "Access Denied", 403)
            return refused
        return original(*arguments, **options)

    return signed_only


S3: Final = (
    Correction(
        what="lists and creates buckets for requests without a signature",
        why="403 AccessDenied, however the request names the bucket",
        source="S3 API Reference, CreateBucket: anonymous requests are never allowed to create buckets; ListBuckets",
        replaces=("s3._create_bucket", "s3._list_buckets"),
        apply=lambda modules, _: _refuse_anonymous(modules.s3, modules.iam_evaluator),
    ),
    Correction(
        what="answers 200 to a request whose object it could not write to the disk",
        why="an error, so that the client tries again",
        source="S3 API Reference, PutObject: a success response means that the entire object was added",
        replaces=("s3._persist_object",),
        apply=lambda modules, _: _require_written(modules.s3),
    ),
)
