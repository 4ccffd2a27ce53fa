"""The Region of the AWS profile: the same answer as botocore's, and its place among the other sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ProfileNotFound

from whatschat_ops.config import load_settings
from whatschat_ops.config.profile import profile_setting
from whatschat_ops.errors import ConfigError

CONFIG = """\
[default]
region = eu-west-1

[profile staging]
Region=eu-central-1
s3 =
  region = us-west-1
  addressing_style = path

[profile "two words"]
region: ap-south-1

[profile 'unclosed]
region = ap-south-2

[profile bare]
output = json

[profile  spaced]
region = sa-east-1

[profiled]
region = ca-central-1

[staging]
region = ca-west-1

[profile both]
region = eu-north-1

[profile empty]
region =

[profile default]
region = eu-west-3
# region = us-west-2

[sso-session one]
region = me-south-1

[preview]
region = af-south-1
"""
CREDENTIALS = """\
[both]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
region = eu-south-1

[only]
region = il-central-1

[profile staging]
region = mx-central-1
"""
NAMES = (
    None, "default", "staging", "two words", "unclosed", "bare", "spaced", "profiled", "both", "empty", "only", "one",
    "preview", "ghost", "",
)  # fmt: skip


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Variables that name both files, in this process, too: botocore reads no others."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text(CONFIG)
    credentials.write_text(CREDENTIALS)
    found = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def botocore_region(profile: str | None) -> str | None:
    try:
        region = botocore.session.Session(profile=profile or None).get_config_variable("region")
    except ProfileNotFound:
        return None
    return region or None


def found_region(profile: str | None, environ: Mapping[str, str]) -> str | None:
    located = profile_setting("region", profile, environ)
    return located.value if located else None


@pytest.mark.parametrize("profile", NAMES)
def test_region_of_a_profile_is_what_botocore_says(files: Mapping[str, str], profile: str | None) -> None:
    assert found_region(profile, files) == botocore_region(profile)


@pytest.mark.parametrize("missing", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
@pytest.mark.parametrize("profile", ["staging", "both", "only", None])
def test_region_is_what_botocore_says_when_there_is_one_file_only(
    files: Mapping[str, str], missing: str, profile: str | None
) -> None:
    Path(files[missing]).unlink()
    assert found_region(profile, files) == botocore_region(profile)


@pytest.mark.parametrize("directory", ["~/.aws", "$HOME/elsewhere"])
def test_files_are_found_where_botocore_looks_for_them(
    files: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = Path(directory.replace("~", str(tmp_path)).replace("$HOME", str(tmp_path)))
    folder.mkdir()
    (folder / "config").write_text("[default]\nregion = us-west-2\n")
    variables = {"HOME": str(tmp_path)}
    for name in files:
        monkeypatch.delenv(name)
    if directory.startswith("$"):
        variables["AWS_CONFIG_FILE"] = f"{directory}/config"
        monkeypatch.setenv("AWS_CONFIG_FILE", variables["AWS_CONFIG_FILE"])
    assert found_region(None, variables) == botocore_region(None) == "us-west-2"


def test_default_profile_is_the_one_that_the_variable_of_botocore_names(
    files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_PROFILE", "staging")
    assert found_region(None, {**files, "AWS_DEFAULT_PROFILE": "staging"}) == botocore_region(None)


@pytest.mark.parametrize("text", ["region = us-east-1\n", "[default]\n[default]\n", "[default]\nregion\n"])
def test_file_that_botocore_cannot_read_is_named(files: Mapping[str, str], text: str) -> None:
    Path(files["AWS_CONFIG_FILE"]).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="is no valid configuration file") as caught:
        profile_setting("region", None, files)
    assert files["AWS_CONFIG_FILE"] in caught.value.message


SOURCES = (
    ("flag --region", "us-west-1"),
    ("environment AWS_REGION", "us-west-2"),
    ("environment AWS_DEFAULT_REGION", "us-east-2"),
    ("local.yaml:2", "eu-west-2"),
    ("profile staging in", "eu-central-1"),
    ("default", "us-east-1"),
)
"""Where the Region comes from, in the order in which they win, and what each says."""


@pytest.mark.parametrize("first", range(len(SOURCES)))
def test_region_comes_from_the_first_source_that_has_one_and_says_which(
    files: Mapping[str, str], tmp_path: Path, first: int
) -> None:
    given = dict(SOURCES[first:])
    flags = {"aws.region": ("--region", region)} if (region := given.get("flag --region")) else {}
    environ = dict(files) | {
        variable: given[f"environment {variable}"]
        for variable in ("AWS_REGION", "AWS_DEFAULT_REGION")
        if f"environment {variable}" in given
    }
    if "profile staging in" in given:
        environ["AWS_PROFILE"] = "staging"
    else:
        environ["AWS_PROFILE"] = "bare"
    configs = tmp_path / "configs"
    configs.mkdir()
    text = f"aws:\n  region: {given['local.yaml:2']}\n" if "local.yaml:2" in given else "stack: whatschat\n"
    (configs / "local.yaml").write_text(text)
    loaded = load_settings("local", directory=configs, environ=environ, flags=flags)
    origin, region = SOURCES[first]
    assert loaded.settings.aws.region == region
    assert origin in str(loaded.origins["aws.region"])


def test_profile_of_the_flag_or_the_file_gives_the_region(files: Mapping[str, str], tmp_path: Path) -> None:
    flags = {"aws.profile": ("--profile", "staging")}
    environ = {**files, "AWS_PROFILE": "both"}
    by_flag = load_settings(directory=tmp_path, environ=environ, flags=flags)
    assert by_flag.settings.aws.region == "eu-central-1"
    (tmp_path / "local.yaml").write_text("aws:\n  profile: both\n")
    assert load_settings(directory=tmp_path, environ=files).settings.aws.region == "eu-south-1"


def test_region_that_is_none_is_refused_with_the_file_that_says_it(
    files: Mapping[str, str], tmp_path: Path
) -> None:
    Path(files["AWS_CONFIG_FILE"]).write_text("[default]\nregion = Frankfurt\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"profile default in .*config: aws\.region: must match"):
        load_settings(directory=tmp_path, environ=files)
