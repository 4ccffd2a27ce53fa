"""A botocore session without the work that a program does not need.

The loader of service models does not look through the folders of all 400 services before it opens one, and keeps what it
opens (`model_cache`). botocore's handlers for documentation, a third of what each client copies, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore import handlers
from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from whatschat_ops.aws.model_cache import CachedFileLoader
from whatschat_ops.state_directory import cache_directory


class DirectLoader(Loader):  # type: ignore[misc]
    """Looks for the service that is asked for, not for all there are."""

    def list_available_services(self, type_name: str) -> Any:
        """What botocore only asks `service in ...`, and joins for an error message."""
        return _Services(self, type_name)


class _Services:
    """The services that have models of one type."""

    def __init__(self, loader: Loader, type_name: str) -> None:
        self._loader = loader
        self._type_name = type_name

    def __contains__(self, service: str) -> bool:
        try:
            return bool(self._loader.list_api_versions(service, self._type_name))
        except DataNotFoundError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(Loader.list_available_services(self._loader, self._type_name))


def new_session(variables: Mapping[str, tuple[Any, ...]], profile: str | None) -> Any:
    """A session with botocore's own handlers. The caller registers `direct_loader`, which reads the configuration."""
    session = Session(session_vars=dict(variables), profile=profile, include_builtin_handlers=False)
    emitter = session.get_component("event_emitter")
    at = {
        handlers.REGISTER_FIRST: emitter.register_first,
        handlers.REGISTER_LAST: emitter.register_last,
    }
    for event, handler, *place in handlers.BUILTIN_HANDLERS:
        if not event.startswith("docs."):
            register = at[place[0]] if place else emitter.register
            register(event, handler)
    return session


def direct_loader(session: Any) -> DirectLoader:
    """A loader with the search path that the session would use."""
    usual = create_loader(session.get_config_variable("data_path"))
    loader = DirectLoader(file_loader=CachedFileLoader(cache_directory() / "models"))
    # In their order: a model in AWS_DATA_PATH wins over botocore's own.
    loader.search_paths[:] = usual.search_paths
    return loader
