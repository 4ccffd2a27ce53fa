"""ministack's state on disk: which services a request changes, and how a service is copied and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.wire import Handler, Response, is_read_only
from whatschat_ops.local.layout import replacing

# Services that create resources in other services, some of them long after the request.
_CREATORS = frozenset(
    {"cloudformation", "cloudcontrol", "states", "tagging", "pipes", "events", "scheduler", "sns", "s3"}
)


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
        # Not `dumps`: written in C, it would stop the event loop until it is done.
        with replacing(self.directory / f"{service}.json") as file:
            json.dump(document, file, default=persistence._json_default)
        self._after_write(service)

    def noted(self, service: str, handler: Handler, changed: Callable[[Iterable[str]], None]) -> Handler:
        """The handler of a service; after each request `changed` is called with what may have changed."""

        async def handle(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
        ) -> Response:
            response = await handler(method, path, headers, body, query)
            if service in _CREATORS:
                changed(self.services())
            elif not is_read_only(method, path, headers, body, query):
                changed(self._keys(service))
            return response

        return handle

    def _keys(self, service: str) -> list[str]:
        config = self._modules.app.SERVICE_REGISTRY[service]
        return [config.get("state_key", config["module"]), *config.get("sub_modules", ())]
