"""The values that there are: environments, profiles, Regions and runs on this machine, users, connections and meetings in a stack.

What is in a stack comes from a file in the user's cache, which a process in the background fills (`refresh`): a Tab waits for
no answer of AWS, and prints nothing when there is none.
"""

from __future__ import annotations

import configparser
import hashlib
import importlib.util
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from whatschat_ops.background import start_in_background
from whatschat_ops.state_directory import cache_directory, state_directory

FRESH_S: Final = 60.0
"""How old the values of a stack may be before a Tab has them read again."""

Place = Mapping[str, str]


def values_of(kind: str, place: Place) -> list[str]:
    """The values of a kind as `words.Wanted` names it, in order; empty for what cannot be known."""
    read = _KINDS.get(kind) or _KINDS.get(kind.rpartition(" ")[2])
    return read(place) if read else []


def is_path(kind: str) -> bool:
    """Whether a value of this kind is a path, which the shell completes itself."""
    return bool({"FILE", "DIR", "PATH", "PATH...", "FOLDER", "FOLDER|URL"} & set(kind.split()))


def stack_file(place: Place) -> Path:
    """Where the values of the stack are kept that these options select here."""
    variables = ("WHATSCHAT_ENV", "AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "WHATSCHAT_OPS_STATE_DIR")
    selected = [*sorted(place.items()), *(os.environ.get(name, "") for name in variables), str(_configs())]
    return (
        cache_directory() / "completion" / f"{hashlib.sha256(repr(selected).encode()).hexdigest()[:24]}.json"
    )


def environments(_: Place) -> list[str]:
    """The configuration files of the nearest directory `configs`, and `local`, which needs none."""
    folder = _configs()
    return sorted({"local", *(path.stem for path in folder.glob("*.yaml"))} if folder else {"local"})


def profiles(_: Place) -> list[str]:
    """The profiles of the AWS CLI's two files."""
    config = _sections("AWS_CONFIG_FILE", "config")
    named = {
        name.removeprefix("profile ").strip()
        for name in config
        if name == "default" or name.startswith("profile ")
    }
    return sorted(named | set(_sections("AWS_SHARED_CREDENTIALS_FILE", "credentials")))


def regions(_: Place) -> list[str]:
    """The Regions of botocore's table of partitions."""
    found = importlib.util.find_spec("botocore")
    folder = Path(found.origin).parent if found and found.origin else Path()
    document = json.loads((folder / "data" / "partitions.json").read_text(encoding="utf-8"))
    return sorted(name for part in document["partitions"] for name in part["regions"] if "global" not in name)


def runs(_: Place) -> list[str]:
    """The broadcasts of this machine, the newest first."""
    found = (path.stem for path in (state_directory() / "broadcasts").glob("*.sqlite"))
    return ["latest", *sorted(found, reverse=True)]


def in_stack(name: str) -> Callable[[Place], list[str]]:
    """What `refresh` last read of the stack; it is started when that is old or missing."""

    def read(place: Place) -> list[str]:
        file = stack_file(place)
        age_s = time.time() - file.stat().st_mtime if file.exists() else FRESH_S
        if not 0 <= age_s < FRESH_S:
            refresh_in_background(file, place)
        known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return [value for value in known.get(name, ()) if re.fullmatch(r"[^\s\x00-\x1f\x7f]+", value)]

    return read


def refresh_in_background(file: Path, place: Place) -> None:
    """Start to read the stack's values, unless another process began within the last minute."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    begun = file.with_suffix(".begun")
    if begun.exists() and 0 <= time.time() - begun.stat().st_mtime < FRESH_S:
        return
    begun.touch()
    options = [word for pair in place.items() for word in pair]
    start_in_background([sys.executable, "-m", "whatschat_ops.cli.completing.refresh", str(file), *options])


def _configs() -> Path | None:
    here = Path.cwd()
    folders = (folder / "configs" for folder in (here, *here.parents))
    return next((folder for folder in folders if any(folder.glob("*.yaml"))), None)


def _sections(variable: str, name: str) -> list[str]:
    path = Path(os.environ.get(variable) or Path.home() / ".aws" / name).expanduser()
    parser = configparser.RawConfigParser(strict=False, default_section="", allow_no_value=True)
    parser.read(path, encoding="utf-8")
    return parser.sections()


_KINDS: Final[Mapping[str, Callable[[Place], list[str]]]] = {
    "--env NAME": environments,
    "-e NAME": environments,
    "--profile NAME": profiles,
    "REGION": regions,
    "RUN": runs,
    "USER": in_stack("users"),
    "ID": in_stack("connections"),
    "CONNECTION|USER": lambda place: [*in_stack("users")(place), *in_stack("connections")(place)],
    "MEETING": in_stack("meetings"),
    "[MEETING]": in_stack("meetings"),
    "FUNCTION": lambda _: ["connect", "disconnect", "default"],
}
