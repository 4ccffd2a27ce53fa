"""The sockets behind the rows, probed and closed through `@connections`, at a limited rate."""

from __future__ import annotations

from typing import Any, Final

from whatschat_ops.aws import Aws
from whatschat_ops.connections.request_rate import RequestRate
from whatschat_ops.errors import Gone, Rejected

_NO_SUCH_ID: Final = "BadRequestException"
"""What API Gateway calls an id that no connection can have."""


class Sockets:
    """`@connections` of one stage. Thread-safe. Raises AwsError for every answer but "open" and "gone"."""

    def __init__(self, aws: Aws, callback_url: str, rate: RequestRate) -> None:
        """`callback_url` is https://HOST/STAGE. From now on all such calls of `aws` keep to the rate, retries included."""
        self._rate = rate
        self._client = aws.client("apigatewaymanagementapi", endpoint_url=callback_url)
        events = self._client.meta.events
        events.register(
            "before-send.apigatewaymanagementapi", self._before_send, unique_id="whatschat-ops-rate"
        )
        events.register(
            "needs-retry.apigatewaymanagementapi", self._after_answer, unique_id="whatschat-ops-throttled"
        )

    def is_open(self, connection_id: str) -> bool:
        """Whether API Gateway knows the socket (GetConnection)."""
        return self._known(self._client.get_connection, connection_id)

    def close(self, connection_id: str) -> bool:
        """Close the socket (DeleteConnection). Returns False when it no longer existed."""
        return self._known(self._client.delete_connection, connection_id)

    @staticmethod
    def _known(call: Any, connection_id: str) -> bool:
        try:
            call(ConnectionId=connection_id)
        except Gone:
            return False
        except Rejected as error:
            if error.aws_code != _NO_SUCH_ID:
                raise  # a request that never reached AWS says nothing about the socket
            return False
        return True

    def _before_send(self, **_: Any) -> None:
        self._rate.turn()

    def _after_answer(self, response: Any, **_: Any) -> None:
        if response is not None and response[0].status_code == 429:
            self._rate.slow_down()
