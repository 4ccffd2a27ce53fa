"""The three clients: each takes an operation and its input, and gives the answer or AWS's error code."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.chime_clients.steps import STEPS, Said, Step

SDK: Final = "@aws-sdk/client-chime-sdk-meetings"
SCRIPT: Final = f"""
import * as chime from "{SDK}";
import {{ createInterface }} from "node:readline";
const client = new chime.ChimeSDKMeetingsClient({{ maxAttempts: 1 }});
for await (const line of createInterface({{ input: process.stdin }})) {{
  const {{ operation, input }} = JSON.parse(line);
  let said;
  try {{
    const {{ $metadata, ...answer }} = await client.send(new chime[operation + "Command"](input));
    said = {{ answer }};
  }} catch (error) {{
    const typed = chime[error.name] !== undefined && error instanceof chime[error.name];
    said = {{ error: typed ? error.name : `${{error.name}}, which is no class of the SDK` }};
  }}
  console.log(JSON.stringify(said));
}}
"""
ONE_ATTEMPT: Final = {"AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass(frozen=True)
class Outcome:
    """What came of a call: the answer, or the code of the error."""

    answer: Mapping[str, Any]
    error: str | None = None


Client = Callable[[str, Mapping[str, Any]], Outcome]
"""Operation and input -> what came of it."""


class Boto3:
    """boto3 in this process."""

    def __init__(self, endpoint: str, environment: Mapping[str, str]) -> None:
        self._client = boto3.client(
            "chime-sdk-meetings",
            endpoint_url=endpoint,
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    def __call__(self, operation: str, given: Mapping[str, Any]) -> Outcome:
        try:
            answer = dict(getattr(self._client, xform_name(operation))(**given))
        except ClientError as error:
            return Outcome({}, error.response["Error"]["Code"])
        del answer["ResponseMetadata"]
        return Outcome(answer)


class AwsCli:
    """The AWS CLI, a process for each call; or `instead` for an operation that is not among `sampled`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**environment, **ONE_ATTEMPT}

    def __call__(self, operation: str, given: Mapping[str, Any]) -> Outcome:
        command = xform_name(operation, "-")
        done = subprocess.run(
            ["aws", "chime-sdk-meetings", command, "--cli-input-json", json.dumps(given), "--output", "json"],
            env=self._environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return Outcome(json.loads(done.stdout or "{}"))
        _, bracket, rest = done.stderr.partition("An error occurred (")
        return Outcome({}, rest.partition(")")[0] if bracket else done.stderr.strip())


class JavaScript:
    """The SDK for JavaScript v3, one process of Node.js for all calls. `folder` has the SDK in it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        script = folder / "chime-clients.mjs"
        script.write_text(SCRIPT, encoding="utf-8")
        self._process = subprocess.Popen(
            ["node", str(script)],
            cwd=folder, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, operation: str, given: Mapping[str, Any]) -> Outcome:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"operation": operation, "input": given}) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        return Outcome(said.get("answer") or {}, said.get("error"))

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)


def missing_cli() -> str | None:
    """Why the AWS CLI cannot be used, or None."""
    return None if shutil.which("aws") else "the AWS CLI is not installed"


@dataclass(frozen=True)
class Verdict:
    """One step as one client saw it. `problem` is None if it is as it should be."""

    step: Step
    outcome: Outcome
    problem: str | None


def conversation(client_of: Callable[[Step], Client], steps: Sequence[Step] = STEPS) -> list[Verdict]:
    """All steps in order. It stops after the first that is not as it should be: later ones need its answer."""
    said: Said = {}
    verdicts: list[Verdict] = []
    for step in steps:
        outcome = client_of(step)(step.operation, step.given(said))
        said[step.name] = outcome.answer
        verdicts.append(Verdict(step, outcome, _problem(step, outcome, said)))
        if verdicts[-1].problem:
            break
    return verdicts


def _problem(step: Step, outcome: Outcome, said: Said) -> str | None:
    if outcome.error != step.error:
        return f"{outcome.error or 'succeeded'} instead of {step.error or 'an answer'}"
    if step.error is None and not step.holds(outcome.answer, said):
        return f"another answer: {outcome.answer}"
    return None


def form(value: Any) -> Any:
    """The members of an answer and their types, without the values: the same for every client."""
    if isinstance(value, Mapping):
        return {name: form(item) for name, item in sorted(value.items()) if item is not None}
    if isinstance(value, list):
        return [form(item) for item in value]
    return type(value).__name__
