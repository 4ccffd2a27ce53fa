"""The objects of the runs in S3, through a client that is handed in: the command's or the worker's own."""

from __future__ import annotations

from typing import Any, Final, Protocol

CREATE_ATTEMPTS: Final = 5
LOAD_RUNS: Final = "load-"
"""How the ids of load tests begin, whose objects lie beside those of broadcasts."""


class Objects(Protocol):
    """Objects by key."""

    def get(self, key: str) -> bytes:
        """An object."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Write an object unless there is one with other content; whether this content is there now."""
        ...

    def keys(self, prefix: str, *, after: str = "") -> list[str]:
        """All keys with this prefix that sort after `after`, sorted."""
        ...


class Bucket:
    """`Objects` in S3."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: str) -> bytes:
        """An object."""
        content: bytes = self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
        return content

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self._client.put_object(Bucket=self._name, Key=key, Body=content)

    def create(self, key: str, content: bytes) -> bool:
        """Write an object unless there is one with other content; whether this content is there now.

        A conditional write (S3 user guide, "How to prevent object overwrites with conditional writes"): 412 when there
        is an object, also our own when botocore repeats a request whose answer was lost; 409 while another write of the
        key goes on: the guide says to repeat it then. Needs a client of boto3's own, as the worker has.
        """
        for attempt in range(CREATE_ATTEMPTS):
            try:
                self._client.put_object(Bucket=self._name, Key=key, Body=content, IfNoneMatch="*")
                return True
            except self._client.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status == 412:
                    return self.get(key) == content
                if status != 409 or attempt == CREATE_ATTEMPTS - 1:
                    raise
        return False

    def keys(self, prefix: str, *, after: str = "") -> list[str]:
        """All keys with this prefix that sort after `after`, sorted."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._name, Prefix=prefix, StartAfter=after
        )
        return sorted(found["Key"] for page in pages for found in page.get("Contents", []))
