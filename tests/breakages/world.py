"""A provisioned stack on an embedded AWS, and the command line in front of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.in_process import Done, run
from tests.local.conftest import EmbeddedAws
from tests.unit.cli.test_hints import problem_of
from whatschat_ops.config import Names, load_settings

PREFIX: Final = "broken-"
SETTINGS: Final[Mapping[str, Any]] = {"prefix": PREFIX, "chime": {"events": True}}
FILE: Final = "settings.yaml"
_COMMAND: Final = re.compile(r"whatschat-ops ((?:(?!, or: ).)+)")


@dataclass(frozen=True)
class Said:
    """What `doctor` said of one check."""

    code: str
    status: str
    detail: str
    fix: str
    evidence: str


@dataclass
class World:
    """See above. The process's environment and working directory are those of `provisioned`."""

    aws: EmbeddedAws
    directory: Path
    kept: dict[str, Any] = field(default_factory=dict)
    """What a row has to remember from breaking to repairing."""

    @property
    def names(self) -> Names:
        """The names of the stack's resources."""
        return Names(load_settings("local", path=self.directory / FILE).settings)

    @property
    def api_id(self) -> str:
        """The id of the WebSocket API."""
        apis = self.client("apigatewayv2").get_apis()["Items"]
        return str(next(api["ApiId"] for api in apis if api["Name"] == self.names.api))

    def client(self, service: str) -> Any:
        """A boto3 client of the account's administrator."""
        return self.aws.client(service)

    def cli(self, *arguments: str) -> Done:
        """One command line, in this process."""
        return run("--config", FILE, *arguments)

    def doctor(self, *, as_process: bool = False) -> dict[str, Said]:
        """Code -> what `doctor` says."""
        line = ("--config", FILE, "doctor", "--json")
        printed = self._process(*line) if as_process else run(*line).stdout
        return {
            each["code"]: Said(
                each["code"], each["status"], each["detail"], each["fix"] or "", each["evidence"]
            )
            for each in json.loads(printed)
        }

    def _process(self, *line: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "whatschat_ops", *line],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout

    def run_printed(self, fix: str) -> str:
        """Run the command of a fix, as a person would, who agrees to everything; its words."""
        found = _COMMAND.search(fix)
        assert found, f"no command in {fix!r}"
        words = shlex.split(found[1])
        words = [word for word in words if word not in ("--config", FILE)]
        if problem_of([*words, "--yes"]) is None:
            words.append("--yes")
        done = self.cli(*words)
        assert done.code == 0, f"{words}: {done.said}"
        return " ".join(words)

    def settings(self, **changes: Any) -> None:
        """Write the settings file again, with these sections or keys beside its own."""
        (self.directory / FILE).write_text(json.dumps({**SETTINGS, **changes}), encoding="utf-8")


@contextmanager
def provisioned(aws: EmbeddedAws, directory: Path) -> Iterator[World]:
    """A provisioned stack; the process works in `directory` with the variables of that AWS alone."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith(("AWS_", "WHATSCHAT_"))]:
            environment.delenv(name)
        environment.delenv("JWT_SECRET", raising=False)
        for name, value in aws.environment().items():
            environment.setenv(name, value)
        environment.chdir(directory)
        world = World(aws, directory)
        world.settings()
        done = world.cli("provision", "--yes")
        assert done.code == 0, done.said
        try:
            yield world
        finally:
            world.settings()
            world.cli("destroy", "--yes", "--delete-data")
