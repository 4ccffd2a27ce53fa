"""A botocore session without the work that a program does not need.

The loader of service models does not look through the folders of all 400 services before it opens one, and keeps what it
opens (`model_cache`). A session has the handlers of the services that it is used for, and a client the methods that are called.
What writes botocore's reference pages, 27 modules, is not imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from botocore.exceptions import DataNotFoundError
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.loaders import Loader, create_loader
from botocore.utils import EVENT_ALIASES

from whatschat_ops.aws.model_cache import CachedFileLoader
from whatschat_ops.state_directory import cache_directory

_PAGES: Final = ("botocore.docs", "botocore.docs.docstring", "botocore.docs.utils")


class _Unwritten:
    """Stands for a class that writes reference pages."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return lambda **_: None


@contextmanager
def _without_pages() -> Iterator[None]:
    """What is imported meanwhile gets no writer of pages, unless there is one already. Later imports get botocore's own."""
    absent = [name for name in _PAGES if _PAGES[0] not in sys.modules]
    for name in absent:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__getattr__ = lambda _: _Unwritten  # type: ignore[method-assign]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _without_pages():
    from botocore import client as botocore_client
    from botocore import handlers
    from botocore.session import Session


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


class _ClientCreator(botocore_client.ClientCreator):  # type: ignore[misc]
    def _create_methods(self, service_model: Any) -> Any:
        """None for a client of ours: `_method` makes each when it is first asked for."""
        return {} if isinstance(self._loader, DirectLoader) else super()._create_methods(service_model)


botocore_client.ClientCreator = _ClientCreator


def _method(client: Any, event_name: str, **_: Any) -> Any:
    """The method of botocore's event `getattr.<service>.<name>`; None if the service has no such operation."""
    name = event_name.rpartition(".")[2]
    operation = client.meta.method_to_api_mapping.get(name)
    if operation is None:
        return None

    def call(**values: Any) -> Any:
        return client._make_api_call(operation, values)

    setattr(client, name, call)
    return call


class LeanSession(Session):  # type: ignore[misc]
    """Registers botocore's own handlers for a service when its first client is created, not all 127 at once.

    Each client copies what is registered by then. Event names are those of service ids (`before-call.cloudwatch-logs`): the
    older ones, which botocore translates with every event, are translated here, once.
    """

    def __init__(self, variables: Mapping[str, tuple[Any, ...]], profile: str | None) -> None:
        self._scoped_config: Any = None
        super().__init__(session_vars=dict(variables), profile=profile, include_builtin_handlers=False)
        self._emitter = EventAliaser(HierarchicalEmitter(), event_aliases={})
        self.register_component("event_emitter", self._emitter)
        self._emitter.register("getattr", _method)
        self._unregistered = _builtin_handlers()
        self._register("")

    def get_scoped_config(self) -> Any:
        """The profile's section of the configuration files, read once: every client asks for it fifty times."""
        if self._scoped_config is None:
            self._scoped_config = super().get_scoped_config()
        return self._scoped_config

    def create_client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """A client, with the handlers of its service."""
        self._register(EVENT_ALIASES.get(service_name, service_name))
        return super().create_client(service_name, *arguments, **options)

    def _register(self, service: str) -> None:
        for event, handler, place in self._unregistered.pop(service, ()):
            register = {
                handlers.REGISTER_FIRST: self._emitter.register_first,
                handlers.REGISTER_LAST: self._emitter.register_last,
            }.get(place, self._emitter.register)
            register(event, handler)


def _builtin_handlers() -> dict[str, list[tuple[str, Any, Any]]]:
    """Service id, or "" for all services -> event, handler and where it stands. Those for documentation are left out."""
    found: dict[str, list[tuple[str, Any, Any]]] = {}
    for event, handler, *place in handlers.BUILTIN_HANDLERS:
        name, dot, rest = event.partition(".")
        service, more, operation = rest.partition(".")
        service = EVENT_ALIASES.get(service, service)
        if name != "docs":
            event = f"{name}{dot}{service}{more}{operation}"
            found.setdefault(service, []).append((event, handler, place[0] if place else None))
    return found


def direct_loader(session: Any) -> DirectLoader:
    """A loader with the search path that the session would use."""
    usual = create_loader(session.get_config_variable("data_path"))
    loader = DirectLoader(file_loader=CachedFileLoader(cache_directory() / "models"))
    # In their order: a model in AWS_DATA_PATH wins over botocore's own.
    loader.search_paths[:] = usual.search_paths
    return loader
