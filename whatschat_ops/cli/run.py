"""One run of the program: its options, its output, and the parts that its command works with.

The one place that puts parts together. Settings are loaded, AWS is reached and a part is created on first use, so that a
command pays only for what it needs. The run is on Typer's context.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.cli.terminal.selection import selection

if TYPE_CHECKING:
    from whatschat_ops.audit import AuditedAction, AuditLog
    from whatschat_ops.aws import Aws
    from whatschat_ops.broadcast.broadcasting import Broadcasting
    from whatschat_ops.chime import ChimeService
    from whatschat_ops.chime.metering import Metering
    from whatschat_ops.config import LoadedSettings, Names, Settings
    from whatschat_ops.connections.management import ConnectionsApi
    from whatschat_ops.connections.sockets import Sockets
    from whatschat_ops.connections.store import ConnectionStore
    from whatschat_ops.endpoint import Endpoint
    from whatschat_ops.migration.migrating import Migrating
    from whatschat_ops.redaction import Secret
    from whatschat_ops.stack.lambdas.lifecycle import Lifecycle
    from whatschat_ops.stack.outputs import StackOutputs
    from whatschat_ops.stack.stack import Stack


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """The values of the options of every command; None means not given."""

    env: str | None = None
    config: Path | None = None
    profile: str | None = None
    region: str | None = None
    json: bool | None = None
    query: str | None = None
    show_secrets: bool | None = None
    quiet: bool | None = None
    verbose: bool | None = None
    debug: bool | None = None

    def over(self, outer: CommonOptions) -> CommonOptions:
        """These options, filled up with those given before the command's name."""
        values = {option.name: getattr(self, option.name) for option in fields(self)}
        return replace(outer, **{name: value for name, value in values.items() if value is not None})

    @property
    def place(self) -> dict[str, str]:
        """The options that select the environment, as they were given."""
        named = {"-e": self.env, "--config": self.config, "--profile": self.profile, "--region": self.region}
        return {option: str(value) for option, value in named.items() if value is not None}

    @property
    def place_words(self) -> tuple[str, ...]:
        """The same as words of a command line."""
        return tuple(word for item in self.place.items() for word in item)


@dataclass(slots=True)
class Run:
    """One run of the program, and the factory of every part that a command uses."""

    options: CommonOptions = field(default_factory=CommonOptions)
    out: Output = field(default_factory=Output)
    command_path: str = "whatschat-ops"
    """The command as it was called, for example `whatschat-ops table create`."""
    audit: AuditedAction | None = field(default=None, repr=False)
    """The audit entry of a command that is declared to change something."""
    _loaded: LoadedSettings | None = field(default=None, repr=False)
    _aws: Aws | None = field(default=None, repr=False)
    _outputs: StackOutputs | None = field(default=None, repr=False)

    def take(self, options: CommonOptions) -> None:
        """Add options that were given; they win over those taken before. Before settings are loaded."""
        self.options = options = options.over(self.options)
        self.out = Output(
            as_json=bool(options.json) or options.query is not None,
            quiet=bool(options.quiet),
            verbose=bool(options.verbose or options.debug),
            show_secrets=bool(options.show_secrets),
            place=options.place_words,
        )
        if options.query is not None:
            self.out.select = selection(options.query)

    def fill_place(self, given: Mapping[str, str]) -> None:
        """Select the environment of another run (its `full_place`) where no option was given. Before settings are loaded."""
        wanted = CommonOptions(
            env=given.get("-e"),
            config=Path(given["--config"]) if "--config" in given else None,
            profile=given.get("--profile"),
            region=given.get("--region"),
        )
        self.options = self.options.over(wanted)
        self.out.place = self.options.place_words

    def full_place(self) -> dict[str, str]:
        """The options that select these settings from any directory."""
        path = self.loaded.path
        return self.options.place | ({"--config": str(path.absolute())} if path is not None else {})

    @property
    def loaded(self) -> LoadedSettings:
        """The settings with their origins, loaded on first use. Raises ConfigError."""
        if self._loaded is None:
            from whatschat_ops.config import load_settings

            flags = {
                "aws.region": ("--region", self.options.region),
                "aws.profile": ("--profile", self.options.profile),
            }
            self._loaded = load_settings(
                self.options.env,
                path=self.options.config,
                flags={key: item for key, item in flags.items() if item[1] is not None},
            )
            self._say_which_file(self._loaded)
            if (bundle := self._loaded.ca_bundle) and not os.environ.get("AWS_CA_BUNDLE"):
                os.environ["AWS_CA_BUNDLE"] = bundle  # every client trusts it; sockets know no profile
        return self._loaded

    def _say_which_file(self, loaded: LoadedSettings) -> None:
        """With --verbose; always if it was found above the working directory."""
        from whatschat_ops.config.environments import is_above

        say = (
            self.out.note
            if loaded.path and self.options.config is None and is_above(loaded.path)
            else self.out.detail
        )
        say(
            f"Settings: {loaded.path or 'no file, the defaults'} (environment {loaded.settings.environment})."
        )

    @property
    def settings(self) -> Settings:
        """The settings of the chosen environment."""
        return self.loaded.settings

    @property
    def names(self) -> Names:
        """The AWS names of the chosen environment."""
        from whatschat_ops.config import Names

        return Names(self.settings)

    @property
    def aws(self) -> Aws:
        """AWS for the chosen environment. Starts the embedded AWS if the environment uses it and it is not running."""
        if self._aws is None:
            from whatschat_ops.aws import connect
            from whatschat_ops.cli.target import aws_target

            self._aws = connect(aws_target(self.loaded, self.out), ask_code=self.out.ask_secret)
            self._aws.sign_in()
            self._aws.before_change = self.before_change
        return self._aws

    def before_change(self, **target: Any) -> None:
        """Something is about to be changed: the audit entry begins, `target` being what is not among the options.

        A request that botocore sends to change something calls this by itself.
        """
        self.acts_on(**target)
        if self.audit is not None:
            self.audit.begin()

    def acts_on(self, **target: Any) -> None:
        """What the command is about to change, for its audit entry, where the options do not say it."""
        if self.audit is not None:
            self.audit.add(target)

    def audit_log(self) -> AuditLog:
        """What operators did to this stack."""
        from whatschat_ops.audit import AuditLog

        return AuditLog(self.aws, self.names)

    @property
    def outputs(self) -> StackOutputs:
        """The endpoint, ids and names of the provisioned stack, read once. Raises NotProvisioned."""
        if self._outputs is None:
            from whatschat_ops.stack.outputs import read_outputs

            self._outputs = read_outputs(self.settings, self.aws)
        return self._outputs

    def confirm_for_users(self, question: Callable[[], str], *, yes: bool) -> bool:
        """Ask for confirmation, if the application may have users besides the caller. `question` is called only then."""
        from whatschat_ops.cli.target import has_other_users

        if yes or not has_other_users(self.settings):
            return True
        return self.out.confirm(question(), yes=False)

    def stack(self, *, reading: bool = False) -> Stack:
        """The stack of the settings, with the JWT secret of the environment.

        Raises Blocked when another run is changing the stack, unless it is for `reading` only.
        """
        from whatschat_ops.stack.given_secret import given_secret
        from whatschat_ops.stack.stack import Stack
        from whatschat_ops.stack.waiting import Waiting

        jwt_secret = given_secret(os.environ.get("JWT_SECRET", ""), self.out.warn)
        stack = Stack(self.settings, self.aws, jwt_secret, Waiting(say=self.out.note), say=self.out.note)
        if not reading:
            stack.guard(self.command_path)
        return stack

    def aws_now(self) -> datetime:
        """The time by AWS's clock, as metrics and logs have it."""
        from whatschat_ops.cli.target import aws_now

        return aws_now(self.settings)

    def migrating(self) -> Migrating:
        """The migration as it is, to be changed. Raises Blocked when another run is changing the stack."""
        from whatschat_ops.migration.migrating import Migrating
        from whatschat_ops.stack.waiting import Waiting

        return Migrating.look(self.settings, self.aws, self.command_path, Waiting(say=self.out.note))

    def lifecycle(self) -> Lifecycle:
        """Canaries, promotions and rollbacks of the deployed functions."""
        from whatschat_ops.stack.lambdas.lifecycle import Lifecycle
        from whatschat_ops.stack.waiting import Waiting

        return Lifecycle(self.settings, self.aws, Waiting(say=self.out.note))

    def endpoint(self, url: str | None = None) -> Endpoint:
        """The endpoint that `url` means, else the stack's. Raises UsageError, or NotProvisioned."""
        from whatschat_ops.endpoint import normalise

        if url is not None:
            return normalise(url, stage=self.settings.websocket.stage)
        outputs = self.outputs
        found = normalise(outputs.websocket_url, stage=outputs.stage)
        return replace(found, api_id=outputs.api_id or found.api_id, stage=found.stage or outputs.stage)

    def connections(self) -> ConnectionStore:
        """The connections table."""
        from whatschat_ops.connections.store import ConnectionStore

        return ConnectionStore(self.aws, self.names.connections_table)

    def connections_api(self, url: str | None = None) -> ConnectionsApi:
        """`@connections` of the endpoint that `url` means, else of the stack's."""
        from whatschat_ops.connections.management import ConnectionsApi

        return ConnectionsApi(self.aws, self.endpoint(url).callback_url)

    def sockets(self, rate_per_s: float) -> Sockets:
        """The sockets behind the rows of the table, with at most this many requests per second."""
        from whatschat_ops.connections.request_rate import RequestRate
        from whatschat_ops.connections.sockets import Sockets

        return Sockets(self.aws, self.endpoint().callback_url, RequestRate(rate_per_s))

    def jwt_secret(self) -> Secret:
        """The secret that signs tokens. Raises NotProvisioned."""
        from whatschat_ops.stack.jwt_secret import read_jwt_secret

        return read_jwt_secret(self.settings, self.aws)

    def accepted_secrets(self, now: datetime) -> Sequence[Secret]:
        """The current secret, then the other one of a rotation. Raises NotProvisioned."""
        from whatschat_ops.stack.jwt_secret import accepted_secrets

        return accepted_secrets(self.settings, self.aws, now)

    def tokens(self, secret: Secret | None = None) -> Callable[[str], Secret]:
        """A function that creates a new token for a user id at each call, signed with `secret`, else with the stack's."""
        import uuid
        from datetime import UTC, datetime, timedelta

        from whatschat_ops.sockets.tokens import mint

        signing = secret or self.jwt_secret()
        ttl = timedelta(minutes=self.settings.auth.token_ttl_minutes)
        return lambda user: (
            mint(user, signing, ttl=ttl, now=datetime.now(UTC), token_id=uuid.uuid4().hex).token
        )

    def chime(self) -> ChimeService:
        """Chime SDK meetings, and the ledger of those created here."""
        from whatschat_ops.chime.of_settings import chime_service

        return chime_service(self.aws, self.settings)

    def metering(self) -> Metering:
        """What meetings have used, from their events."""
        from whatschat_ops.chime.of_settings import metering

        return metering(self.aws, self.settings)

    @property
    def broadcasts_directory(self) -> Path:
        """Where the journals of broadcasts are."""
        from whatschat_ops.broadcast.journal.past_runs import runs_directory
        from whatschat_ops.state_directory import state_directory

        return runs_directory(state_directory())

    def broadcasts(self) -> Broadcasting:
        """Broadcasts to the connections of the stack. Raises NotProvisioned."""
        from whatschat_ops.broadcast.broadcasting import Broadcasting

        return Broadcasting(self.broadcasts_directory, self.settings, self.aws, self.outputs)
