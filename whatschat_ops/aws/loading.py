"""botocore's loader of service models, without looking through the folders of all its 400 services before it opens one.

What it opens it keeps: `model_cache`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader, create_loader

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


def direct_loader(session: Any) -> DirectLoader:
    """A loader with the search path that the session would use."""
    usual = create_loader(session.get_config_variable("data_path"))
    loader = DirectLoader(file_loader=CachedFileLoader(cache_directory() / "models"))
    # In their order: a model in AWS_DATA_PATH wins over botocore's own.
    loader.search_paths[:] = usual.search_paths
    return loader
