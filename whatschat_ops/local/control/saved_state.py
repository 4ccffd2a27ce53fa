"""ministack's state on disk: which services a request changes, and how a service is copied and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.wire import Handler, Response, is_read_only
from whatschat_ops.local.layout import replacing

# Services that create resources in other services, some of them long after the request.
_CREATORS = frozenset(
    {"cloudformation", "cloudcontrol", "states", "tagging", "pipes", "events", "scheduler", "sns", "s3"}
)


_DEPTH = 8
"""The state of DynamoDB has its items there."""


def json_pieces(document: Any, default: Callable[[Any], Any]) -> Iterator[str]:
    """`json.dumps` in pieces. Each is made in C, several times faster than `json.dump`, and holds up the event loop meanwhile: all are small."""
    encode = json.JSONEncoder(default=default).encode

    def pieces(value: Any, depth: int) -> Iterator[str]:
        if depth and not isinstance(value, (dict, list, tuple, str, int, float, type(None))):
            value = default(value)
        if not depth or not value or not isinstance(value, (dict, list)):
            yield encode(value)
        elif isinstance(value, list):
            for number, each in enumerate(value):
                yield ", " if number else "["
                yield from pieces(each, depth - 1)
            yield "]"
        else:
            for number, (key, each) in enumerate(value.items()):
                name = encode(key) if isinstance(key, str) else encode({key: 0})[1:-4]
                yield f"{', ' if number else '{'}{name}: "
                yield from pieces(each, depth - 1)
            yield "}"

    yield from pieces(document, _DEPTH)


_MAKE_TABLES = frozenset({"cloudformation", "cloudcontrol", "tagging"})
"""Of those. The others put items at most, which `dynamodb_scan` notes: a table of a million rows is not saved for each object in S3."""


class SavedState:
    """Saves each service. `after_write` is called with the name of a service whose state was written, `lost` with
    services that must be written again.
    """

    def __init__(
        self,
        modules: Modules,
        after_write: Callable[[str], None],
        lost: Callable[[Iterable[str]], None],
    ) -> None:
        self._modules = modules
        self._after_write = after_write
        self._lost = lost

    @property
    def directory(self) -> Path:
        """The directory of ministack's files, one JSON file per service."""
        return Path(self._modules.persistence.STATE_DIR)

    def services(self) -> Iterable[str]:
        """Every service that has a state to save."""
        return list(self._modules.app._build_persistence_save_dict())

    def snapshot(self, service: str) -> Any:
        """A copy of the service's state; None when it has none."""
        get_state = self._modules.app._build_persistence_save_dict().get(service)
        return get_state() if get_state else None

    def write(self, service: str, state: Any) -> None:
        """Write a copy, in ministack's format. Raises OSError, where ministack's own function logs an error."""
        persistence = self._modules.persistence
        if not self.directory.exists():  # deleted: what has not changed since is not there either
            self._lost(self.services())
        document = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
        with replacing(self.directory / f"{service}.json") as file:
            file.writelines(json_pieces(document, persistence._json_default))
        self._after_write(service)

    def noted(self, service: str, handler: Handler, changed: Callable[[Iterable[str]], None]) -> Handler:
        """The handler of a service; after each request `changed` is called with what may have changed."""

        async def handle(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
        ) -> Response:
            response = await handler(method, path, headers, body, query)
            if service in _CREATORS:
                changed(name for name in self.services() if name != "dynamodb" or service in _MAKE_TABLES)
            elif not is_read_only(method, path, headers, body, query):
                changed(self._keys(service))
            return response

        return handle

    def _keys(self, service: str) -> list[str]:
        config = self._modules.app.SERVICE_REGISTRY[service]
        return [config.get("state_key", config["module"]), *config.get("sub_modules", ())]
