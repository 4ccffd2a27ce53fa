"""Settings from flags, environment variables, `configs/<environment>.yaml` and defaults, in that order.

The Region, where none of them says it, is that of the AWS profile.

Input: what the command line said, `os.environ`, at most one YAML file. Output: a validated `Settings`
and, for every key, the `Origin` of its value. Nothing here talks to AWS.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from whatschat_ops.config.contradictions import implied_defaults, refuse_contradictions
from whatschat_ops.config.environments import find_file
from whatschat_ops.config.located import DEFAULT, Located, Origin
from whatschat_ops.config.section import Section, validate
from whatschat_ops.config.settings import Settings
from whatschat_ops.errors import ConfigError, Hint

TABLE_KEY = "connections.table_name"

ENVIRONMENT_VARIABLES: Mapping[str, str] = {
    "AWS_DEFAULT_REGION": "aws.region",
    "AWS_REGION": "aws.region",
    "AWS_PROFILE": "aws.profile",
    "AWS_ENDPOINT_URL": "aws.endpoint_url",
    "CONNECTIONS_TABLE": TABLE_KEY,
    "AWS_API_GATEWAY_WEBSOCKET_ENABLED": "websocket.enabled",
    "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT": "websocket.endpoint",
    "AWS_CHIME_ENABLED": "chime.enabled",
    "AWS_CHIME_REGION": "chime.region",
    "AWS_CHIME_MEDIA_REGION": "chime.media_region",
    "NEXT_PUBLIC_WEBSOCKET_MODE": "frontend.websocket_mode",
    "NEXT_PUBLIC_WEBRTC_MODE": "frontend.webrtc_mode",
    "NEXT_PUBLIC_SOCKET_IO_URL": "frontend.socket_io_url",
    "NEXT_PUBLIC_API_URL": "frontend.api_url",
    "WHATSCHAT_LOCAL_PORT": "local.port",
    "WHATSCHAT_PREFIX": "prefix",
}
"""The guide's variables (and AWS's own) -> the setting that they override. Later rows win."""

PATH_KEYS = ("lambda.requirements", "lambda.source.path", "local.node_modules")
"""Settings that name a file or folder. In a configuration file they are relative to that file."""


class LoadedSettings(Struct, frozen=True):
    """The settings, and for every dotted key where its value came from. `ca_bundle` is that of the AWS profile."""

    settings: Settings
    origins: Mapping[str, Origin]
    path: Path | None
    ca_bundle: str | None = None


_REFERENCE: Final = Hint(("config", "reference"), "See every key and what it may be")


def load_settings(
    environment: str | None = None,
    *,
    path: Path | None = None,
    flags: Mapping[str, tuple[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> LoadedSettings:
    """The settings of `environment`; None means the one that the file named by `path` is for, else `local`.

    `flags` maps a dotted key to (flag as typed, value). `path` names the file instead of `<directory>/<environment>.yaml`;
    without `directory` it is the nearest `configs`, here or above. Raises ConfigError for a missing file, an unknown key, a wrong value, or values that
    contradict each other.
    """
    environ = os.environ if environ is None else environ
    path = find_file(environment or "local", path, directory)
    values = _read_file(path) if path is not None else {}
    values.update(_read_environment(environ, prefix=_prefix(values, environ)))
    for key, (flag, value) in (flags or {}).items():
        values[key] = Located(value, Origin(f"flag {flag}"))
    if "aws.region" not in values and (region := _of_profile("region", values, environ)) is not None:
        values["aws.region"] = region
    values["environment"] = _environment(environment, values.get("environment"), environ)
    if "local.enabled" not in values:
        values["local.enabled"] = Located(_is_embedded(values), DEFAULT)
    settings = validate(Settings, {**implied_defaults(values), **values}, hint=_REFERENCE)
    refuse_contradictions(settings, values)
    origins = {key: _origin(key, values) for key in flatten(settings)}
    bundle = None
    if not settings.local.enabled:
        # Not every command needs a profile; botocore names a file that it cannot read.
        with suppress(ConfigError):
            bundle = _of_profile("ca_bundle", values, environ)
    return LoadedSettings(settings, origins, path, str(bundle.value) if bundle else None)


def require_valid(flags: Mapping[str, tuple[str, Any]]) -> None:
    """Raise ConfigError for a value that no file may have. `flags` as of `load_settings`."""
    values = {key: Located(value, Origin(f"flag {flag}")) for key, (flag, value) in flags.items()}
    validate(Settings, {**implied_defaults(values), **values}, hint=_REFERENCE)


def flatten(section: Section, parent: str = "") -> dict[str, Any]:
    """Dotted key -> value for every leaf of the settings, in the order of their declaration."""
    flat: dict[str, Any] = {}
    for name, key in zip(section.__struct_fields__, section.__struct_encode_fields__, strict=True):
        value = getattr(section, name)
        if isinstance(value, Section):
            flat.update(flatten(value, f"{parent}{key}."))
        else:
            flat[f"{parent}{key}"] = value
    return flat


def _origin(key: str, values: Mapping[str, Located]) -> Origin:
    """Of the value, or of the first in it: a map has keys of its own below it."""
    found = (item.origin for name, item in values.items() if name == key or name.startswith(f"{key}."))
    return next(found, DEFAULT)


def _read_file(path: Path) -> dict[str, Located]:
    """The file's values, with absolute paths: the working directory must not decide what is deployed."""
    from whatschat_ops.config.yaml_file import read_yaml

    values = read_yaml(path)
    for key in PATH_KEYS:
        given = values.get(key)
        if given is not None and isinstance(given.value, str) and given.value:
            # Not with pathlib, which raises RuntimeError for links that lead back to themselves, and for an unknown ~user.
            absolute = os.path.realpath(path.parent / os.path.expanduser(given.value))  # noqa: PTH111
            values[key] = Located(absolute, given.origin)
    return values


def _read_environment(environ: Mapping[str, str], *, prefix: str) -> dict[str, Located]:
    found = {
        key: Located(environ[variable], Origin(f"environment {variable}"))
        for variable, key in ENVIRONMENT_VARIABLES.items()
        if environ.get(variable) and not (variable == "AWS_ENDPOINT_URL" and _ignores_endpoints(environ))
    }
    # The application's CONNECTIONS_TABLE is the whole name; the setting is the name without the prefix.
    table = found.get(TABLE_KEY)
    if table is not None:
        found[TABLE_KEY] = Located(str(table.value).removeprefix(prefix), table.origin)
    return found


def _ignores_endpoints(environ: Mapping[str, str]) -> bool:
    """As botocore decides it; AWS SDKs and Tools Reference Guide, "Service-specific endpoints"."""
    return environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"


def _prefix(values: Mapping[str, Located], environ: Mapping[str, str]) -> str:
    given = values.get("prefix")
    return environ.get("WHATSCHAT_PREFIX") or (str(given.value) if given and given.value else "")


def _environment(wanted: str | None, in_file: Located | None, environ: Mapping[str, str]) -> Located:
    """The environment's name. A file that is for another environment is a mistake worth stopping at."""
    if wanted is None:
        return in_file if in_file and in_file.value is not None else Located("local", DEFAULT)
    if in_file is not None and in_file.value is not None and in_file.value != wanted:
        raise ConfigError(
            f"{in_file.origin}: environment: this file is for {in_file.value!r}, not for {wanted!r}.",
            hint=f"Use -e {in_file.value}, or another file.",
        )
    from_variable = environ.get("WHATSCHAT_ENV") == wanted
    return Located(wanted, Origin("environment WHATSCHAT_ENV" if from_variable else "flag --env"))


def _of_profile(key: str, values: Mapping[str, Located], environ: Mapping[str, str]) -> Located | None:
    from whatschat_ops.config.profile import profile_setting

    profile = values.get("aws.profile")
    return profile_setting(key, str(profile.value) if profile and profile.value else None, environ)


def _is_embedded(values: Mapping[str, Located]) -> bool:
    """Whether the embedded AWS is meant when no setting says so: for `local`, unless an endpoint is named."""
    endpoint = values.get("aws.endpoint_url")
    return values["environment"].value == "local" and not (endpoint and endpoint.value)
