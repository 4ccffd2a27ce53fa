"""Settings from flags, environment variables, `configs/<environment>.yaml` and defaults, in that order.

Input: what the command line said, `os.environ`, at most one YAML file. Output: a validated `Settings`
and, for every key, the `Origin` of its value. Nothing here talks to AWS.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from whatschat_ops.config.settings import Settings
from whatschat_ops.errors import ConfigError

ENVIRONMENT_VARIABLES: Mapping[str, str] = {
    "AWS_DEFAULT_REGION": "aws.region",
    "AWS_REGION": "aws.region",
    "AWS_PROFILE": "aws.profile",
    "AWS_ENDPOINT_URL": "aws.endpoint_url",
    "CONNECTIONS_TABLE": "connections.table_name",
    "AWS_API_GATEWAY_WEBSOCKET_ENABLED": "websocket.enabled",
    "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT": "websocket.endpoint",
    "AWS_CHIME_ENABLED": "chime.enabled",
    "AWS_CHIME_REGION": "chime.region",
    "AWS_CHIME_MEDIA_REGION": "chime.media_region",
    "NEXT_PUBLIC_WEBSOCKET_MODE": "frontend.websocket_mode",
    "NEXT_PUBLIC_WEBRTC_MODE": "frontend.webrtc_mode",
    "WHATSCHAT_LOCAL_PORT": "local.port",
    "WHATSCHAT_PREFIX": "prefix",
}
"""The guide's variables (and AWS's own) -> the setting that they override. Later rows win."""

CONFIG_DIRECTORY = Path("configs")
SCHEMA_FILE = "schema.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: `flag --region`, `environment AWS_REGION`, `configs/local.yaml:7`, `default`."""

    text: str

    def __str__(self) -> str:
        return self.text


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and for every dotted key where its value came from."""

    settings: Settings
    origins: Mapping[str, Origin]
    path: Path | None


@dataclass(frozen=True, slots=True)
class _Value:
    value: Any
    origin: Origin


def load_settings(
    environment: str = "local",
    *,
    path: Path | None = None,
    flags: Mapping[str, tuple[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path = CONFIG_DIRECTORY,
) -> LoadedSettings:
    """The settings of `environment`.

    `flags` maps a dotted key to (flag as typed, value). `path` names the file instead of
    `<directory>/<environment>.yaml`. Raises ConfigError for a missing file, an unknown key or a wrong value.
    """
    environ = os.environ if environ is None else environ
    path = _find_file(environment, path, directory)
    values: dict[str, _Value] = {}
    if path is not None:
        values.update(_read_file(path))
    values.update(_read_environment(environ))
    for key, (flag, value) in (flags or {}).items():
        values[key] = _Value(value, Origin(f"flag {flag}"))
    values["environment"] = _Value(environment, Origin("flag --env" if environment != "local" else "default"))
    if "local.enabled" not in values:
        embedded = environment == "local" and "aws.endpoint_url" not in values
        values["local.enabled"] = _Value(embedded, DEFAULT)
    settings = _validate(values)
    origins = {key: values[key].origin if key in values else DEFAULT for key in flatten(settings)}
    return LoadedSettings(settings, origins, path)


def flatten(model: BaseModel, parent: str = "") -> dict[str, Any]:
    """Dotted key -> value for every leaf of a settings model, in the order of its declaration."""
    flat: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        key = f"{parent}{field.alias or name}"
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            flat.update(flatten(value, f"{key}."))
        else:
            flat[key] = value
    return flat


def _find_file(environment: str, path: Path | None, directory: Path) -> Path | None:
    if path is not None:
        if not path.is_file():
            raise ConfigError(
                f"There is no configuration file {path}.", hint="Check the path given to --config."
            )
        return path
    candidate = directory / f"{environment}.yaml"
    if candidate.is_file():
        return candidate
    if environment == "local":
        return None
    known = sorted({file.stem for file in directory.glob("*.yaml")} | {"local"})
    raise ConfigError(
        f"There is no environment {environment!r}: {candidate} does not exist.",
        hint=f"Known here: {', '.join(known)}. Make {candidate}, or name a file with --config.",
    )


def _read_environment(environ: Mapping[str, str]) -> dict[str, _Value]:
    return {
        key: _Value(environ[variable], Origin(f"environment {variable}"))
        for variable, key in ENVIRONMENT_VARIABLES.items()
        if environ.get(variable)
    }


def _read_file(path: Path) -> dict[str, _Value]:
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error.reason}.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}.") from error
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(
            f"{path}:1: expected keys and values, found a {type(root).__name__.removesuffix('Node').lower()}."
        )
    return _leaves(path, root, "")


def _leaves(path: Path, node: yaml.MappingNode, parent: str) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for key_node, value_node in node.value:
        key = f"{parent}{key_node.value}"
        origin = Origin(f"{path}:{key_node.start_mark.line + 1}")
        if isinstance(value_node, yaml.MappingNode):
            found.update(_leaves(path, value_node, f"{key}."))
        elif not (_is_null(value_node) and key in _sections()):
            if key in found:
                raise ConfigError(f"{origin}: {key} is given twice.")
            found[key] = _Value(_construct(value_node), origin)
    return found


def _sections() -> set[str]:
    return {field.alias or name for name, field in Settings.model_fields.items() if "." not in name}


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _construct(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def _validate(values: Mapping[str, _Value]) -> Settings:
    tree: dict[str, Any] = {}
    for key, item in values.items():
        branch = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                raise ConfigError(f"{item.origin}: {key}: {parent} is a value, not a section.")
        branch[leaf] = item.value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(
            _explain(error, values), hint="whatschat-ops config show  # every key and its value"
        ) from error


def _explain(error: ValidationError, values: Mapping[str, _Value]) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        origin = next(
            (item.origin for name, item in values.items() if name == key or name.startswith(f"{key}.")),
            DEFAULT,
        )
        lines.append(f"{origin}: {key}: {_reason(problem, key)}")
    return "\n".join(lines)


def _reason(problem: Any, key: str) -> str:
    if problem["type"] == "extra_forbidden":
        siblings = sorted(_known_keys(key.rpartition(".")[0]))
        return f"unknown key. Known here: {', '.join(siblings)}."
    allowed = problem.get("ctx", {}).get("expected")
    if problem["type"] == "literal_error":
        return f"{problem['input']!r} is not allowed. Allowed: {allowed}."
    return f"{problem['msg'][0].lower()}{problem['msg'][1:]} (got {problem['input']!r})."


def _known_keys(section: str) -> set[str]:
    model: type[BaseModel] = Settings
    for part in filter(None, section.split(".")):
        annotation = next(
            (field.annotation for name, field in model.model_fields.items() if (field.alias or name) == part),
            None,
        )
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return set()
        model = annotation
    return {field.alias or name for name, field in model.model_fields.items()}
