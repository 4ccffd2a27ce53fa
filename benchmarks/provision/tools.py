"""The provisioning tools that are compared: for each, the command of every row. Names and sizes of what they make are equal
where the tools can: three functions of 256 MB (512 after the update) behind a WebSocket API. chalice makes no tables,
log groups, aliases, versions or access logs, so it has half as many resources to make.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROWS = ("create", "no-op", "update", "destroy")
MEMORY_MB, UPDATED_MEMORY_MB = 256, 512
STACK = "whatschat-local"
CLI = [sys.executable, "-m", "whatschat_ops"]

CHALICE_APP = """\
from chalice import Chalice

app = Chalice(app_name="whatschat")
app.experimental_feature_flags.update(["WEBSOCKETS"])


@app.on_ws_connect()
def connect(event):
    pass


@app.on_ws_disconnect()
def disconnect(event):
    pass


@app.on_ws_message()
def default(event):
    pass
"""


@dataclass(frozen=True)
class Tool:
    """A tool: `commands` holds, for every row, what is run one after the other."""

    name: str
    directory: Path
    commands: dict[str, list[list[str]]]
    most_runs: int = 100
    """More would take too long: chalice sleeps for half a minute in a deployment."""

    def prepare(self, row: str) -> None:
        """What a user would have edited before: chalice's configuration says the memory of its functions."""
        config = self.directory / ".chalice" / "config.json"
        if config.exists() and row in ("create", "update"):
            memory_mb = UPDATED_MEMORY_MB if row == "update" else MEMORY_MB
            config.write_text(json.dumps(chalice_config(memory_mb)))


def ours(directory: Path) -> Tool:
    """This program."""
    directory.mkdir()
    for name, memory_mb in (("small", MEMORY_MB), ("big", UPDATED_MEMORY_MB)):
        (directory / f"{name}.yaml").write_text(f"lambda: {{memory_mb: {memory_mb}}}\n")
    provision = [*CLI, "provision", "--yes", "--quiet"]  # 256 MB is the default: no file has to be read
    plan = [*CLI, "plan", "--quiet"]
    update = [*CLI, "--config", "big.yaml", "provision", "--yes", "--quiet"]
    destroy = [*CLI, "--config", "big.yaml", "destroy", "--yes", "--quiet"]
    return Tool(
        "whatschat-ops",
        directory,
        {"create": [provision], "no-op": [plan], "update": [update], "destroy": [destroy]},
    )


def install(venv: Path) -> None:
    """Put the AWS CLI (version 1, of PyPI) and chalice into an environment of their own, unless they are there."""
    if all((venv / "bin" / name).exists() for name in ("aws", "chalice")):
        return
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "awscli", "chalice", "setuptools"], check=True)


def cloudformation(
    directory: Path, venv: Path, environment: dict[str, str], configs: Path, bucket: str
) -> Tool:
    """`aws cloudformation deploy` of the exported template."""
    aws = str(venv / "bin" / "aws")
    directory.mkdir()
    for name in ("small", "big"):
        export = ["--config", str(configs / f"{name}.yaml"), "export", "cloudformation", "-o", f"{name}.yaml"]
        subprocess.run(
            [*CLI, *export, "--code-bucket", bucket, "--upload", "--quiet"],
            cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def deploy(name: str) -> list[str]:
        options = ["--capabilities", "CAPABILITY_NAMED_IAM", "--no-fail-on-empty-changeset"]
        return [
            aws,
            "cloudformation",
            "deploy",
            "--stack-name",
            STACK,
            "--template-file",
            f"{name}.yaml",
            *options,
        ]

    stack = ["--stack-name", STACK]
    return Tool(
        "aws cloudformation",
        directory,
        {
            "create": [deploy("small")],
            "no-op": [deploy("small")],
            "update": [deploy("big")],
            "destroy": [
                [aws, "cloudformation", "delete-stack", *stack],
                [aws, "cloudformation", "wait", "stack-delete-complete", *stack],
            ],
        },
    )


def chalice(directory: Path, venv: Path) -> Tool:
    """`chalice deploy` of an app with the same three routes."""
    (directory / ".chalice").mkdir(parents=True)
    (directory / "app.py").write_text(CHALICE_APP)
    (directory / "requirements.txt").write_text("")
    (directory / ".chalice" / "config.json").write_text(json.dumps(chalice_config(MEMORY_MB)))
    command = str(venv / "bin" / "chalice")
    deploy, delete = [command, "deploy"], [command, "delete"]
    return Tool(
        "chalice",
        directory,
        {"create": [deploy], "no-op": [deploy], "update": [deploy], "destroy": [delete]},
        most_runs=2,
    )


def chalice_config(memory_mb: int) -> dict[str, object]:
    return {
        "version": "2.0",
        "app_name": "whatschat",
        "lambda_memory_size": memory_mb,
        "stages": {"dev": {"api_gateway_stage": "production"}},
    }
