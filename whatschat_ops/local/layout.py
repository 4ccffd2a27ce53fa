"""The files of the embedded AWS, and the environment of its process.

    <state directory>/local/
        service.json        the running process (pid, its creation time, port)
        service.lock        held while a process is started or stopped
        service.log(.1)     the log of the process
        port                the port found when 4566 was taken
        credentials.json    the access key of the IAM user `operator` (mode 0600)
        aws/                the state of every AWS service
        objects/            S3 objects
        chime.sqlite3       Chime SDK meetings
        quotas.json         quotas of the account that were changed
        work/               unpacked functions and temporary files; cleared at every start

Imports neither ministack nor uvicorn.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from whatschat_ops.state_directory import state_directory

HOST = "127.0.0.1"
ACCOUNT_ID = "000000000000"
"""The account of the embedded AWS. No AWS account has this number."""
EXIT_PORT_TAKEN = 98
"""Exit code of a server process whose port was already taken."""
DEFAULT_REGION = "us-east-1"
"""The Region of anything that names none, such as a CloudWatch metric of an unknown resource."""

# What a Python program may need from its environment to run. Nothing else of the user's environment (AWS keys, tokens,
# JWT secrets) may reach the service, because ministack starts programs with its own environment.
_KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SYSTEMROOT",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)


class Layout(Struct, frozen=True):
    """The files of one embedded AWS."""

    root: Path

    @classmethod
    def of_user(cls) -> Layout:
        """The embedded AWS of this user (WHATSCHAT_OPS_STATE_DIR overrides where it is)."""
        return cls(state_directory() / "local")

    @property
    def process_file(self) -> Path:
        """Identifies the running process."""
        return self.root / "service.json"

    @property
    def lock_file(self) -> Path:
        """Held while a process is started or stopped."""
        return self.root / "service.lock"

    @property
    def log_file(self) -> Path:
        """The log of the process."""
        return self.root / "service.log"

    @property
    def port_file(self) -> Path:
        """The port to try first."""
        return self.root / "port"

    @property
    def credentials_file(self) -> Path:
        """The operator's access key."""
        return self.root / "credentials.json"

    @property
    def services(self) -> Path:
        """The state of every AWS service."""
        return self.root / "aws"

    @property
    def objects(self) -> Path:
        """S3 objects."""
        return self.root / "objects"

    @property
    def chime_file(self) -> Path:
        """Chime SDK meetings."""
        return self.root / "chime.sqlite3"

    @property
    def quotas_file(self) -> Path:
        """Quotas of the account that were changed."""
        return self.root / "quotas.json"

    @property
    def work(self) -> Path:
        """Temporary files of the process and its workers."""
        return self.root / "work"

    @property
    def api_hosts_file(self) -> Path:
        """The host names of the APIs, for functions that call them."""
        return self.work / "api-hosts"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the process, so that temporary files that it leaves are deleted at the next start."""
        return self.work / "tmp"


class Options(Struct, frozen=True):
    """What the service is started with besides its port."""

    node_modules: str | None = None
    """The absolute path of a directory with the AWS SDK for JavaScript."""
    enforce_memory: bool = False
    log_events_per_group: int = 20_000
    step_functions_lag_s: float = 0.0
    """How long Step Functions does not show a change yet."""

    @property
    def arguments(self) -> list[str]:
        """For the command line of the server process."""
        lent = [] if self.node_modules is None else ["--node-modules", self.node_modules]
        enforced = ["--enforce-memory"] if self.enforce_memory else []
        most = self.log_events_per_group
        kept = [] if most == Options().log_events_per_group else ["--log-events-per-group", str(most)]
        lag = ["--step-functions-lag-s", str(self.step_functions_lag_s)] if self.step_functions_lag_s else []
        return [*lent, *enforced, *kept, *lag]


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of the user's environment that the service process inherits."""
    return {name: environment[name] for name in _KEPT_VARIABLES if name in environment}


def ministack_environment(layout: Layout, port: int) -> dict[str, str]:
    """The variables that ministack reads when it is imported."""
    return {
        "AUTH": "true",
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": DEFAULT_REGION,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(layout.services),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(layout.objects),
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",  # else it listens on port 8883
        "SFTP_ENABLED": "0",
        # It removes containers that it takes for its own; containers in the user's Docker must not be touched.
        "DOCKER_HOST": f"unix://{layout.work / 'no-docker.sock'}",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(layout.temporary),
    }


def clear_directory(directory: Path) -> None:
    """Make `directory` exist and be empty."""
    import shutil

    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True, mode=0o700)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A file that replaces `path` atomically when the block ends without an error; only its owner can read it (mode
    0600).
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; only its owner can read it (mode 0600)."""
    with replacing(path) as file:
        file.write(text)
