"""Where the objects of a run are: in the bucket that the deployed state machine reads.

A run that a stack of version 0.1.0 began has its objects in the bucket of that version's name. They are read there, and copied
before the run goes on with the workers of today, which know today's bucket only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from whatschat_ops.aws import Aws
from whatschat_ops.errors import NotFound, PermissionDenied
from whatschat_ops.worker.bucket import Bucket
from whatschat_ops.worker.objects import Keys


class RunObjects:
    """`Objects` of the run `run_id`. `bucket` says which bucket the state machine reads, `earlier` is 0.1.0's name for it."""

    def __init__(self, aws: Aws, run_id: str, bucket: Callable[[], str], earlier: str) -> None:
        self._aws = aws
        self._root = Keys(run_id).root
        self._read_bucket = bucket
        self._earlier_name = earlier

    def get(self, key: str) -> bytes:
        """An object. Raises NotFound."""
        try:
            return self._current.get(key)
        except NotFound:
            if self._earlier is None:
                raise
            return self._earlier.get(key)

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self._current.put(key, content)

    def create(self, key: str, content: bytes) -> bool:
        """Write an object unless there is one with other content; whether this content is there now."""
        return self._current.create(key, content)

    def keys(self, prefix: str, *, after: str = "") -> list[str]:
        """All keys with this prefix that sort after `after`, sorted."""
        found = self._current.keys(prefix, after=after)
        earlier = self._earlier.keys(prefix, after=after) if self._earlier else []
        return sorted({*found, *earlier})

    def copy_earlier(self) -> bool:
        """Copy what is in the earlier bucket alone; whether there was anything."""
        if self._earlier is None:
            return False
        missing = sorted(set(self._earlier.keys(self._root)) - set(self._current.keys(self._root)))
        for key in missing:
            self._current.put(key, self._earlier.get(key))
        return bool(missing)

    @cached_property
    def _name(self) -> str:
        return self._read_bucket()

    @cached_property
    def _current(self) -> Bucket:
        return Bucket(self._aws.client("s3"), self._name)

    @cached_property
    def _earlier(self) -> Bucket | None:
        """None unless something of the run is in it. It must be this account's: others may take a name that is free."""
        name, client = self._earlier_name, self._aws.client("s3")
        if name == self._name:
            return None
        try:
            client.head_bucket(Bucket=name, ExpectedBucketOwner=self._aws.account_id)
        except (NotFound, PermissionDenied):
            return None
        found = Bucket(client, name)
        return found if found.keys(self._root) else None
