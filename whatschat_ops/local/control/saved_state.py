"""ministack's state on disk: which services a request changes, and how a service is copied and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.wire import Handler, Response, is_read_only

# Services that create resources in other services, some of them long after the request.
_CREATORS = frozenset(
    {"cloudformation", "cloudcontrol", "states", "tagging", "pipes", "events", "scheduler", "sns", "s3"}
)


class SavedState:
    """Saves each service. `after_write` is called with the name of a service whose state was written."""

    def __init__(self, modules: Modules, after_write: Callable[[str], None]) -> None:
        self._modules = modules
        self._after_write = after_write

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

    def write(self, service: str, state: Any) -> bool:
        """Write a copy. Returns whether it is on disk."""
        path = self.directory / f"{service}.json"
        before = path.stat().st_mtime_ns if path.exists() else 0
        self._modules.persistence.save_state(service, state)  # logs an error instead of raising it
        saved = path.exists() and path.stat().st_mtime_ns != before
        if saved:
            self._after_write(service)
        return saved

    def noted(self, service: str, handler: Handler, changed: Callable[[Iterable[str]], None]) -> Handler:
        """The handler of a service; after each request `changed` is called with what may have changed."""

        async def handle(
            method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
        ) -> Response:
            response = await handler(method, path, headers, body, query)
            if service in _CREATORS:
                changed(self.services())
            elif not is_read_only(method, path, headers, body):
                changed(self._keys(service))
            return response

        return handle

    def _keys(self, service: str) -> list[str]:
        config = self._modules.app.SERVICE_REGISTRY[service]
        return [config.get("state_key", config["module"]), *config.get("sub_modules", ())]
