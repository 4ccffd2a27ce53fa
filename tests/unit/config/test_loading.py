"""Settings: who wins, where each value says it came from, and what is said about a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatschat_ops.config import LoadedSettings, Names, Settings, load_settings
from whatschat_ops.config.loading import ENVIRONMENT_VARIABLES, flatten
from whatschat_ops.config.located import Located, Origin
from whatschat_ops.config.section import validate
from whatschat_ops.errors import ConfigError

Load = Callable[..., LoadedSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load from `<tmp>/configs`, with no environment variables but those given."""

    def load_from(
        text: str | None = None,
        environment: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, tuple[str, Any]] | None = None,
    ) -> LoadedSettings:
        directory = tmp_path / "configs"
        directory.mkdir(exist_ok=True)
        if text is not None:
            (directory / f"{environment or 'local'}.yaml").write_text(text, encoding="utf-8")
        return load_settings(environment, directory=directory, environ=environ or {}, flags=flags)

    return load_from


def problem(load: Load, text: str, **options: Any) -> str:
    """The message about a wrong file, with its path cut down to `local.yaml`."""
    with pytest.raises(ConfigError) as caught:
        load(text, **options)
    return caught.value.message.replace(caught.value.message.partition("local.yaml")[0], "", 1)


def test_no_file_means_the_defaults_on_the_embedded_aws(load: Load) -> None:
    loaded = load()
    assert loaded.settings.environment == "local"
    assert loaded.settings.local.enabled
    assert loaded.path is None
    assert set(map(str, loaded.origins.values())) == {"default"}


def test_flags_beat_environment_beats_file_beats_default(load: Load) -> None:
    text = "aws:\n  region: eu-west-1\nchime:\n  region: eu-central-1\nstack: chat\n"
    environ = {"AWS_REGION": "eu-west-2", "AWS_CHIME_REGION": "ap-south-1"}
    loaded = load(text, environ=environ, flags={"aws.region": ("--region", "us-west-2")})
    assert loaded.settings.aws.region == "us-west-2"
    assert loaded.settings.chime.region == "ap-south-1"
    assert loaded.settings.stack == "chat"
    assert loaded.settings.chime.media_region == "us-east-1"
    assert str(loaded.origins["aws.region"]) == "flag --region"
    assert str(loaded.origins["chime.region"]) == "environment AWS_CHIME_REGION"
    assert str(loaded.origins["stack"]).endswith("local.yaml:5")
    assert str(loaded.origins["chime.media_region"]) == "default"


@pytest.mark.parametrize("section", ["lambda:\n  requirements", "local:\n  node_modules"])
def test_a_path_in_a_file_is_relative_to_that_file(load: Load, tmp_path: Path, section: str) -> None:
    values = flatten(load(f"{section}: ../sdk\n").settings)
    assert str(tmp_path / "sdk") in map(str, values.values())


def test_aws_region_beats_aws_default_region(load: Load) -> None:
    environ = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}
    assert load(environ=environ).settings.aws.region == "eu-west-2"
    assert load(environ={"AWS_DEFAULT_REGION": "eu-west-1"}).settings.aws.region == "eu-west-1"


def test_an_empty_variable_counts_as_not_set(load: Load) -> None:
    assert load("stack: chat\n", environ={"AWS_REGION": ""}).settings.aws.region == "us-east-1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("1", True),
        ("0", False),
        ("False", False),
        ("Yes", True),
        ("off", False),
    ],
)
def test_booleans_in_the_environment_are_words(load: Load, text: str, value: bool) -> None:
    loaded = load(environ={"AWS_CHIME_ENABLED": text, "AWS_API_GATEWAY_WEBSOCKET_ENABLED": text})
    assert loaded.settings.chime.enabled is value
    assert loaded.settings.websocket.enabled is value


def test_a_wrong_boolean_names_its_variable(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={"AWS_CHIME_ENABLED": "maybe"})
    assert caught.value.message.startswith("environment AWS_CHIME_ENABLED: chime.enabled: ")
    assert "'maybe'" in caught.value.message


def test_every_variable_overrides_a_setting_that_exists() -> None:
    assert set(ENVIRONMENT_VARIABLES.values()) <= set(flatten(Settings()))


def test_an_endpoint_url_switches_the_embedded_aws_off(load: Load) -> None:
    assert not load(environ={"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}).settings.local.enabled
    assert not load("aws:\n  endpoint_url: http://127.0.0.1:5000\n").settings.local.enabled


def test_an_empty_endpoint_url_does_not_switch_it_off(load: Load) -> None:
    assert load("aws:\n  endpoint_url:\n").settings.local.enabled


def test_the_file_may_say_whether_the_aws_is_embedded(load: Load) -> None:
    assert not load("local:\n  enabled: false\n").settings.local.enabled
    assert load("local:\n  enabled: true\n", "staging").settings.local.enabled


def test_other_environments_mean_an_account(load: Load) -> None:
    loaded = load("stack: chat\n", "staging")
    assert not loaded.settings.local.enabled
    assert (loaded.settings.environment, str(loaded.origins["environment"])) == ("staging", "flag --env")


def test_the_environment_variable_is_named_as_origin(load: Load) -> None:
    loaded = load("stack: chat\n", "staging", environ={"WHATSCHAT_ENV": "staging"})
    assert str(loaded.origins["environment"]) == "environment WHATSCHAT_ENV"


def test_an_unknown_environment_lists_those_that_exist(load: Load, tmp_path: Path) -> None:
    load("stack: chat\n", "production")
    usage = tmp_path / "configs" / "usage"
    usage.mkdir()
    (usage / "example.yaml").write_text("websocket:\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(None, "prod")
    assert "'prod'" in caught.value.message
    assert caught.value.message.endswith("Known here: local, production.")


def test_a_named_file_decides_which_environment_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("environment: staging\n", encoding="utf-8")
    loaded = load_settings(path=path, environ={})
    assert loaded.settings.environment == "staging"
    assert not loaded.settings.local.enabled
    assert str(loaded.origins["environment"]) == f"{path}:1"


def test_a_file_for_another_environment_is_refused(load: Load) -> None:
    with pytest.raises(ConfigError, match="this file is for 'production', not for 'staging'"):
        load("environment: production\n", "staging")


def test_a_named_file_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no configuration file"):
        load_settings(path=tmp_path / "absent.yaml", environ={})


@pytest.mark.parametrize(
    "text", ["", "\n", "# nothing\n", "---\n", "null\n", "aws:\nchime:\n", "\ufeffstack: whatschat\n"]
)
def test_empty_files_and_empty_sections_mean_the_defaults(load: Load, text: str) -> None:
    assert load(text).settings == load(None).settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("aws:\n  regoin: x\n", "local.yaml:2: aws.regoin: unknown key. Did you mean region? "
         "Known here: endpoint_url, profile, region."),
        ("websockets:\n  stage: x\n", "local.yaml:2: websockets: unknown key. Did you mean websocket? Known here: "
         "auth, aws, broadcast, chime, connections, environment, frontend, iam, lambda, local, logging, migration, monitoring, prefix, stack, websocket."),
        ("lambda:\n  memory_mb: lots\n", "local.yaml:2: lambda.memory_mb: expected an integer (got 'lots')."),
        ("lambda:\n  memory_mb: 64\n", "local.yaml:2: lambda.memory_mb: must be at least 128 (got 64)."),
        ("lambda:\n  architecture: sparc\n", "local.yaml:2: lambda.architecture: 'sparc' is not allowed. "
         "Allowed: 'arm64' or 'x86_64'."),
        ("aws: 5\n", "local.yaml:1: aws: expected a section with keys below it (got 5)."),
        ("stack: [a]\n", "local.yaml:1: stack: expected a string (got ['a'])."),
        ("stack: |\n  chat\n", "local.yaml:1: stack: ends with a line break (got 'chat\\n')."),
        ("stack: Chat\n", "local.yaml:1: stack: must match ^[a-z][a-z0-9-]{0,30}$ (got 'Chat')."),
        ("lambda:\n  source:\n    path: ''\n", "local.yaml:3: lambda.source.path: expected a value that is not empty (got '')."),
        ("lambda:\n  source:\n    steps: [install, pack]\n", "local.yaml:3: lambda.source.steps[1]: 'pack' is not allowed. "
         "Allowed: 'install', 'build' or 'package'."),
        ("broadcast:\n  rate_limit_per_s: 0\n", "local.yaml:2: broadcast.rate_limit_per_s: must be more than 0 (got 0)."),
        ("local:\n  enabled: 5\n", "local.yaml:2: local.enabled: expected a boolean (got 5)."),
        ("prefix:\n", "local.yaml:1: prefix: expected a string (got null)."),
        ("stack: 2026-02-31\n", "local.yaml:1: stack: must match ^[a-z][a-z0-9-]{0,30}$ (got 2026-02-31)."),
        ("stack: !!python/object:os.system x\n", "local.yaml:1: stack: the tag "
         "tag:yaml.org,2002:python/object:os.system is not allowed."),
        ("stack: a\nstack: b\n", "local.yaml:2: stack is given twice."),
        ("aws:\n  region: us-east-1\naws:\n  profile: x\n", "local.yaml:3: aws is given twice."),
        ("aws.region: us-east-1\n", "local.yaml:1: aws.region: a key must not contain a dot."),
        ("? [a, b]\n: c\n", "local.yaml:1: a key must be a word."),
        ("- a\n- b\n", "local.yaml:1: expected keys and values, found a sequence."),
        ("just words\n", "local.yaml:1: expected keys and values, found a scalar."),
        ("a: [\n", "local.yaml:2: not valid YAML: did not find expected node content."),
        ("aws: &again\n  inner: *again\n", "local.yaml:1: nested too deeply."),
        ("a: 1\n---\nb: 2\n", "local.yaml:2: not valid YAML: but found another document."),
    ],
)  # fmt: skip
def test_a_wrong_file_is_explained_with_its_line(load: Load, text: str, message: str) -> None:
    assert problem(load, text) == message


def test_the_defaults_satisfy_the_model() -> None:
    assert Settings.of(msgspec.to_builtins(Settings())) == Settings()


def test_the_canonical_form_is_that_of_earlier_versions() -> None:
    """Plans saved by 0.1.0 hold the SHA-256 of it."""
    values = {
        "prefix": "staging-",
        "lambda": {"memory_mb": 512, "source": {"path": "/app", "zip": "*.zip"}},
        "websocket": {"throttling_rate_limit": 0.5, "endpoint": "https://chät.example"},
        "broadcast": {"rate_limit_per_s": 2500, "deadline_s": 1e16},
    }
    digests = [
        sha256(settings.canonical().encode()).hexdigest() for settings in (Settings(), Settings.of(values))
    ]

    assert digests == [
        "80c9a30b0c5763fafa1ddd89136d7a1f520d04a3b3cf707336ba4486b0cce2bd",
        "148c6446191e3598c4b7963a6cace803813e0fb7c9d7d23cc2a99225ef871864",
    ]


def test_every_problem_is_told_at_once(load: Load) -> None:
    text = "stack: A\nlambda:\n  memory_mb: 1\n  timeout_s: 99\n"
    assert [line.split(": ")[1] for line in problem(load, text).splitlines()] == [
        "stack", "lambda.memory_mb", "lambda.timeout_s",
    ]  # fmt: skip


def test_text_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"stack: caf\xe9\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_settings(path=path, environ={})


def test_control_characters_are_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "control.yaml"
    path.write_bytes(b"stack: a\x00b\n")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_settings(path=path, environ={})


def test_the_prefix_stands_before_names_once(load: Load) -> None:
    loaded = load("prefix: staging-\nconnections:\n  table_name: rows\n")
    assert Names(loaded.settings).connections_table == "staging-rows"


def test_the_applications_connections_table_is_the_whole_name(load: Load) -> None:
    environ = {"CONNECTIONS_TABLE": "staging-websocket-connections"}
    loaded = load("prefix: staging-\n", environ=environ)
    assert Names(loaded.settings).connections_table == "staging-websocket-connections"
    assert str(loaded.origins["connections.table_name"]) == "environment CONNECTIONS_TABLE"
    loaded = load(None, environ={**environ, "WHATSCHAT_PREFIX": "staging-"})
    assert Names(loaded.settings).connections_table == "staging-websocket-connections"


def test_a_value_below_a_value_is_explained() -> None:
    values = {"aws": Located(5, Origin("a:1")), "aws.region": Located("x", Origin("a:2"))}
    with pytest.raises(ConfigError, match=r"a:2: aws\.region: aws is a value, not a section"):
        validate(Settings, values)


@given(st.text(max_size=60))
def test_no_text_at_all_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        loaded = load_settings(path=path, environ={})
    except ConfigError as error:
        assert str(path) in error.message or "environment" in error.message
    else:
        assert loaded.settings == Settings(local=loaded.settings.local)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "websocket:\n  enabled: false\nfrontend:\n  websocket_mode: apigateway\n",
            "local.yaml:4: frontend.websocket_mode: apigateway needs websocket.enabled: true, which is false (",
        ),
        (
            "chime:\n  enabled: off\nfrontend:\n  webrtc_mode: chime\n",
            "local.yaml:4: frontend.webrtc_mode: chime needs chime.enabled: true, which is false (",
        ),
        (
            "local:\n  enabled: true\naws:\n  endpoint_url: http://127.0.0.1:1\n",
            "local.yaml:4: aws.endpoint_url: http://127.0.0.1:1 is another AWS than the embedded one",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(load: Load, text: str, message: str) -> None:
    assert problem(load, text).startswith(message)


def test_a_variable_that_switches_chime_off_contradicts_signalling(load: Load) -> None:
    with pytest.raises(
        ConfigError, match=r"signalling: true needs chime.enabled: true, which is false \(env"
    ):
        load("chime:\n  signalling: true\n", environ={"AWS_CHIME_ENABLED": "no"})


def test_signalling_needs_the_built_in_functions(load: Load) -> None:
    with pytest.raises(
        ConfigError, match=r"needs the built-in functions, but lambda\.source\.path names others"
    ):
        load("chime:\n  signalling: true\nlambda:\n  source:\n    path: lambda/websocket\n")


def test_signalling_is_in_the_canonical_form_once_it_is_set() -> None:
    assert "signalling" not in Settings().canonical()
    limited = Settings.of({"chime": {"signalling": True, "signalling_meetings_per_user": 7}})
    assert '"signalling_meetings_per_user":7' in limited.canonical()


def test_a_variable_that_contradicts_the_file_is_named(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"which is false \(environment AWS_CHIME_ENABLED\)"):
        load("frontend:\n  webrtc_mode: chime\n", environ={"AWS_CHIME_ENABLED": "no"})


def test_a_mode_that_is_not_given_follows_its_service(load: Load) -> None:
    disabled = {"AWS_CHIME_ENABLED": "0", "AWS_API_GATEWAY_WEBSOCKET_ENABLED": "false"}
    frontend = load(environ=disabled).settings.frontend
    assert (frontend.websocket_mode, frontend.webrtc_mode) == ("socketio", "native")


def test_an_exported_endpoint_beside_the_embedded_aws_is_no_contradiction(load: Load) -> None:
    loaded = load("local:\n  enabled: true\n", environ={"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    assert loaded.settings.local.enabled


@pytest.mark.parametrize("key", ["socket_io_url", "api_url"])
def test_a_url_of_the_frontend_is_in_the_canonical_form_once_it_is_set(key: str) -> None:
    assert key not in Settings().canonical()
    assert "https://x" in Settings.of({"frontend": {key: "https://x"}}).canonical()
