"""Functions for the executor's tests: real zips."""

from __future__ import annotations

import base64
import hashlib
import io
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from whatschat_ops.local.interfaces import LambdaFunction, LogSettings

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}


@dataclass
class RecordedLogs:
    """A LogWriter that stores its events."""

    events: list[tuple[str, str, int, str]] = field(default_factory=list)

    def write(
        self, group: str, stream: str, messages: Sequence[tuple[int, str]], role_arn: str | None = None
    ) -> None:
        self.events += [(group, stream, timestamp_ms, message) for timestamp_ms, message in messages]

    @property
    def messages(self) -> list[str]:
        return [message for _, _, _, message in self.events]


def make_zip(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, textwrap.dedent(text))
    return buffer.getvalue()


def make_function(
    source: str = "def handler(event, context): return event",
    *,
    files: Mapping[str, str] | None = None,
    runtime: str = "python3.12",
    handler: str = "app.handler",
    environment: Mapping[str, str] | None = None,
    credentials: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    version: str = "$LATEST",
    qualifier: str = "",
    reserved_concurrency: int | None = None,
    code_zip: bytes | None = None,
    memory_mb: int = 256,
    logging: LogSettings | None = None,
) -> LambdaFunction:
    """A function whose module `app` has this source, unless `files` has another."""
    suffix = "js" if runtime.startswith("nodejs") else "py"
    data = code_zip if code_zip is not None else make_zip(files or {f"app.{suffix}": source})
    return LambdaFunction(
        arn=f"arn:aws:lambda:eu-central-1:123456789012:function:probe{qualifier}",
        name="probe",
        version=version,
        runtime=runtime,
        handler=handler,
        code_sha256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
        code_zip=data,
        environment=environment or {},
        timeout_s=timeout_s,
        memory_mb=memory_mb,
        credentials=CREDENTIALS if credentials is None else credentials,
        log_group="/aws/lambda/probe",
        region="eu-central-1",
        reserved_concurrency=reserved_concurrency,
        logging=logging or LogSettings(),
    )
