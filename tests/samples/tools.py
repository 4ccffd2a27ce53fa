"""The tools that the samples are deployed with, from npm and PyPI."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.samples.outcome import StepFailed
from tests.samples.world import QUIET, run

NODE_PACKAGES: Final = (
    "aws-cdk@2",
    "aws-cdk-lib@2",
    "constructs@10",
    "osls@4",
)
SDK_PACKAGES: Final = (
    "@aws-sdk/client-apigatewaymanagementapi@3",
    "@aws-sdk/client-dynamodb@3",
    "@aws-sdk/lib-dynamodb@3",
)
PYTHON_PACKAGES: Final = ("aws-sam-cli>=1.140", "awscli>=1.40")


def install(tools: Path, say: Callable[[str], None]) -> None:
    """Install what is not there yet. A tool that cannot be installed is missing in the steps that use it."""
    tools.mkdir(parents=True, exist_ok=True)
    _once(tools / "node", say, lambda path: _npm(path, NODE_PACKAGES))
    _once(tools / "sdk", say, lambda path: _npm(path, SDK_PACKAGES))
    _once(tools / "python", say, _pip)


def _once(path: Path, say: Callable[[str], None], make: Callable[[Path], None]) -> None:
    done = path / ".installed"
    if done.exists():
        return
    say(f"Installing {path} ...")
    path.mkdir(exist_ok=True)
    try:
        make(path)
    except (StepFailed, OSError) as error:
        say(f"{path.name} cannot be installed: {str(error)[-300:]}")
        return
    done.touch()


def _npm(path: Path, packages: tuple[str, ...]) -> None:
    (path / "package.json").write_text("{}", encoding="utf-8")
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", *packages]
    run(command, cwd=path, environment={**os.environ, **QUIET})


def _pip(path: Path) -> None:
    run([sys.executable, "-m", "venv", str(path)], cwd=path, environment=os.environ)
    command = [str(path / "bin" / "pip"), "install", "--quiet", *PYTHON_PACKAGES]
    run(command, cwd=path, environment=os.environ)
