"""Our errors from a boto3 client that is not ours, such as that of a library's user: its own hooks stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from whatschat_ops.aws.answers import answer_of
from whatschat_ops.aws.errors import translate
from whatschat_ops.aws.session import translate_transport


@contextmanager
def translating() -> Iterator[None]:
    """Raise an AwsError for each failure of a call inside."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        metadata: dict[str, Any] = dict(error.response.get("ResponseMetadata", {}))
        status, headers = metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {})
        raise translate(error.operation_name, status, error.response.get("Error", {}), headers) from error
    except BotoCoreError as error:
        raise translate_transport("", error) from error


class TranslatedClient:
    """Calls the operations of `client`, any boto3 client; each failure is an `AwsError`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Any:
        send = getattr(self._client, operation)

        def call(**parameters: Any) -> Any:
            with translating():
                return answer_of(operation, send(**parameters))

        return call
