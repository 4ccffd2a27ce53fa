"""A WebSocket server that only answers pings, so that the load generator is what is measured. Prints its port."""

import asyncio
import json

from websockets.asyncio.server import ServerConnection, serve


async def answer(connection: ServerConnection) -> None:
    async for message in connection:
        number = json.loads(message).get("id")
        await connection.send(json.dumps({"type": "pong", "timestamp": 0, "id": number}))


async def main() -> None:
    async with serve(answer, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1024) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
