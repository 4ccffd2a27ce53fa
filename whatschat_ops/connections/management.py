"""The backend's side of a socket: post to it, ask about it, close it (API Gateway Management API, `@connections`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from whatschat_ops.aws import Aws
from whatschat_ops.errors import Gone, Rejected
from whatschat_ops.message_size import check_size


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What API Gateway knows of an open connection."""

    connection_id: str
    connected_at: datetime | None
    last_active_at: datetime | None
    source_ip: str
    user_agent: str


class ConnectionsApi:
    """`@connections` of one stage. Thread-safe: the client keeps a pool of TCP connections."""

    def __init__(self, aws: Aws, callback_url: str) -> None:
        """`callback_url` is https://HOST/STAGE (`endpoint.normalise`)."""
        self._client = aws.client("apigatewaymanagementapi", endpoint_url=callback_url)

    def post(self, connection_id: str, data: bytes) -> None:
        """Send `data` to the client. Raises Gone (410), PermissionDenied (403), Throttled (429), UsageError (too big)."""
        check_size(data)
        self._client.post_to_connection(ConnectionId=connection_id, Data=data)

    def get(self, connection_id: str) -> ConnectionInfo | None:
        """What is known of a connection; None when it no longer exists."""
        try:
            answer = self._client.get_connection(ConnectionId=connection_id)
        except (Gone, Rejected):  # 400: no connection ever had such an id
            return None
        identity = answer.get("Identity", {})
        return ConnectionInfo(
            connection_id=connection_id,
            connected_at=answer.get("ConnectedAt"),
            last_active_at=answer.get("LastActiveAt"),
            source_ip=identity.get("SourceIp", ""),
            user_agent=identity.get("UserAgent", ""),
        )

    def delete(self, connection_id: str) -> bool:
        """Close the socket. Returns False when it no longer existed."""
        try:
            self._client.delete_connection(ConnectionId=connection_id)
        except (Gone, Rejected):
            return False
        return True
