"""The files in configs/ and docs/ that are made from, or must agree with, the settings model."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import yaml

from whatschat_ops.config import load_settings
from whatschat_ops.config.reference import reference
from whatschat_ops.config.schema import json_schema
from whatschat_ops.config.yaml_file import read_yaml
from whatschat_ops.cost.usage import Usage, load_usage

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"
ENVIRONMENTS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def test_the_environments_are_the_documented_ones() -> None:
    assert ENVIRONMENTS == ["local", "production", "staging"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_file_is_valid_and_says_which_environment_it_is(environment: str) -> None:
    loaded = load_settings(environment, environ={}, directory=CONFIGS)
    assert read_yaml(CONFIGS / f"{environment}.yaml")["environment"].value == environment
    assert loaded.settings.local.enabled is (environment == "local")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_file_points_editors_to_the_schema(environment: str) -> None:
    first = (CONFIGS / f"{environment}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


def test_staging_and_production_can_share_an_account() -> None:
    staging, production = (
        load_settings(name, environ={}, directory=CONFIGS).settings for name in ("staging", "production")
    )
    assert staging.prefix != production.prefix


def test_the_schema_file_is_fresh() -> None:
    """Make it again with: whatschat-ops config schema -o configs/schema.json"""
    assert json.loads((CONFIGS / "schema.json").read_text(encoding="utf-8")) == json_schema()


def test_the_schema_knows_every_key_of_the_files() -> None:
    schema = json_schema()
    for environment in ENVIRONMENTS:
        document = yaml.safe_load((CONFIGS / f"{environment}.yaml").read_text(encoding="utf-8"))
        for section, content in document.items():
            allowed = schema["properties"][section]
            if isinstance(content, dict):
                definition = schema["$defs"][allowed["$ref"].rpartition("/")[2]]
                assert definition["additionalProperties"] is False
                assert set(content) <= set(definition["properties"])


def test_the_configuration_page_is_fresh() -> None:
    """Make it again with: whatschat-ops config reference -o docs/configuration.md"""
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == reference()


def test_the_usage_example_is_valid_and_names_every_key() -> None:
    path = CONFIGS / "usage" / "example.yaml"
    load_usage(path, {})
    text = path.read_text(encoding="utf-8")
    for section in msgspec.structs.fields(Usage):
        for field in msgspec.structs.fields(section.type):
            assert f"{field.name}:" in text or field.name == "connection_minutes", field.name
