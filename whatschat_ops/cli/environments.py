"""`init`, `env list` and `whoami`: which environments there are, and what the chosen one leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from whatschat_ops.cli.listing import LimitOption, SortOption, listed
from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.tables import Column, Table
from whatschat_ops.errors import Hint, OpsError
from whatschat_ops.files import is_there, reporting, write_whole


@dataclass(frozen=True, slots=True)
class CreatedFile:
    """The configuration file that was created."""

    environment: str
    file: Path


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment, with what its file says; None where it says nothing. `error`: why the file cannot be read."""

    name: str
    file: Path | None
    selected: bool
    region: str | None = None
    profile: str | None = None
    embedded: bool | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """What commands work with here. `origins` says for each of the others where it came from.

    `role` is the role whose session the caller is; None for an IAM user. `file` is None without a configuration file.
    """

    account: str
    arn: str
    role: str | None
    region: str
    endpoint: str
    environment: str
    stack: str
    file: Path | None
    origins: Mapping[str, str]


def init(run: Run) -> None:
    """Create the configuration file of an environment.

    Writes configs/<env>.yaml with every setting as a comment. The Region and the profile that you give are set. An existing file
    is left as it is.

    Example: whatschat-ops init -e staging --region eu-central-1 --profile whatschat-staging
    """
    from whatschat_ops.config.environments import nearest_directory
    from whatschat_ops.config.loading import require_valid
    from whatschat_ops.config.template import template

    environment = run.options.env or "local"
    flags = {
        "environment": ("--env", environment),
        "aws.region": ("--region", run.options.region),
        "aws.profile": ("--profile", run.options.profile),
    }
    given = {key: flag for key, flag in flags.items() if flag[1] is not None}
    require_valid(given)
    path = run.options.config or nearest_directory() / f"{environment}.yaml"
    if is_there(path):
        raise OpsError(
            f"{path} exists already; it was not changed.", hint=Hint(("config", "show"), "See what it sets")
        )
    if run.options.config is None:
        with reporting(path, written=True):
            path.parent.mkdir(exist_ok=True)
    written = {key: value for key, (_, value) in given.items() if key != "environment" and value is not None}
    write_whole(path, template(environment, written), flag="--config")
    run.out.result(CreatedFile(environment, path), lambda created: f"Created {created.file}.")


def list_(run: Run, sort: SortOption = None, limit: LimitOption = None) -> None:
    """List the environments that have settings.

    Those of configs/, here or in the nearest directory above, and local, which needs no file.

    Example: whatschat-ops env list
    """
    from whatschat_ops.config.environments import known_environments, nearest_directory

    selected = run.options.env or "local"
    directory = nearest_directory()
    names = known_environments(directory)
    found = [_environment(name, directory, selected) for name in names]
    run.out.result(listed(run.out, Environment, found, sort, limit), _render_environments)


def whoami(run: Run) -> None:
    """Show the account, role, Region and stack.

    With where each came from: an option, an environment variable, the configuration file, the AWS profile or the default. Asks AWS
    who the caller is, which needs no permission.

    Example: whatschat-ops whoami -e production
    """
    from whatschat_ops.cli.target import is_embedded

    loaded, aws = run.loaded, run.aws
    embedded = is_embedded(loaded.settings)
    caller = "the embedded AWS" if embedded else aws.credentials_origin
    arn = aws.caller_arn
    origin = {key: str(found) for key, found in loaded.origins.items()}
    origins = {
        "account": caller,
        "arn": caller,
        "region": origin["aws.region"],
        "endpoint": caller if embedded else origin["aws.endpoint_url"],
        "environment": origin["environment"],
        "stack": ", ".join(dict.fromkeys(origin[key] for key in ("prefix", "stack", "environment"))),
    }
    endpoint = aws.client("sts").meta.endpoint_url
    file = loaded.path.resolve() if loaded.path else None
    shown = WhoAmI(
        aws.account_id, arn, _role(arn), aws.region, endpoint, loaded.settings.environment, run.names.stack, file, origins,
    )  # fmt: skip
    run.out.result(shown, _render_caller)


def _role(arn: str) -> str | None:
    """`NAME` of `arn:aws:sts::123456789012:assumed-role/NAME/session`."""
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    return rest.partition("/")[0] if kind == "assumed-role" else None


def _environment(name: str, directory: Path, selected: str) -> Environment:
    from whatschat_ops.cli.target import is_embedded
    from whatschat_ops.config import load_settings
    from whatschat_ops.errors import ConfigError

    file = directory / f"{name}.yaml"
    try:
        loaded = load_settings(name, directory=directory, environ={})
    except ConfigError as error:
        return Environment(name, file, name == selected, error=error.message)
    aws, embedded = loaded.settings.aws, is_embedded(loaded.settings)
    region = None if embedded else aws.region
    return Environment(name, loaded.path, name == selected, region, aws.profile, embedded)


def _render_environments(environments: list[Environment]) -> Table:
    rows = [
        (
            "*" if item.selected else "",
            item.name,
            "embedded AWS" if item.embedded else item.region or "-",
            item.profile or "-",
            item.error or str(item.file or "the defaults"),
        )
        for item in environments
    ]
    columns = [*map(Column, ("", "Environment", "Region", "Profile")), Column("Settings", wraps=True)]
    return Table(columns, rows)


def _render_caller(shown: WhoAmI) -> Table:
    rows = {
        "Account": (shown.account, "account"),
        "Caller": (shown.arn, "arn"),
        "Role": (shown.role or "none: not the session of a role", "arn"),
        "Region": (shown.region, "region"),
        "Endpoint": (shown.endpoint, "endpoint"),
        "Environment": (shown.environment, "environment"),
        "Stack": (shown.stack, "stack"),
        "Settings": (str(shown.file or "no file"), ""),
    }
    cells = [(name, value, shown.origins.get(key, "")) for name, (value, key) in rows.items()]
    return Table([Column(""), Column(""), Column("")], cells)
