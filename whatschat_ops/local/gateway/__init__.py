"""API Gateway's WebSocket data plane and its @connections API, with the behaviour of AWS.

    uvicorn.Config(app, http=HttpProtocol, ws=websocket_protocol(gateway))

`Gateway` needs a control plane (APIs, permissions, logs, metrics) and an executor (functions); see
`whatschat_ops.local.interfaces`. Where AWS documents nothing, the module concerned states its assumption.
"""

from whatschat_ops.local.gateway.gateway import Gateway
from whatschat_ops.local.gateway.http_protocol import HttpProtocol
from whatschat_ops.local.gateway.protocol import websocket_protocol

__all__ = ["Gateway", "HttpProtocol", "websocket_protocol"]
