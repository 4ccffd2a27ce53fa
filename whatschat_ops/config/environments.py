"""The configuration files: `configs/<environment>.yaml`, here or in the nearest directory above that has some.

Searched upwards as git does, and refused as git does when what was found above belongs to another user, who could decide with it
what is deployed, and with which profile.
"""

from __future__ import annotations

import os
from pathlib import Path

from whatschat_ops.choices import did_you_mean
from whatschat_ops.errors import ConfigError, Hint
from whatschat_ops.files import is_regular, is_there

CONFIG_DIRECTORY = Path("configs")


def find_file(environment: str, path: Path | None, directory: Path | None) -> Path | None:
    """The file of an environment: `path` if given, else in `directory`, which is searched for if it is None.

    None for `local`, which needs no file. Raises ConfigError when it is not there.
    """
    if path is not None:
        if not is_there(path):
            raise ConfigError(
                f"There is no configuration file {path}.", hint="Check the path given to --config."
            )
        return path
    directory = directory or nearest_directory()
    candidate = directory / f"{environment}.yaml"
    if is_regular(candidate):
        return _own(candidate)
    if environment == "local":
        return None
    known = known_environments(directory)
    raise ConfigError(
        f"There is no environment {environment!r}: {candidate} does not exist.{did_you_mean(environment, known)} Known here: {', '.join(known)}.",
        hint=Hint(("init", "-e", environment), "Name a file with --config, or create one"),
    )


def nearest_directory() -> Path:
    """The nearest `configs` with a configuration file, here or above, relative to here; `configs` if there is none."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return CONFIG_DIRECTORY
    for folder in (here, *here.parents):
        if any((folder / CONFIG_DIRECTORY).glob("*.yaml")):
            return Path(os.path.relpath(folder / CONFIG_DIRECTORY, here))
    return CONFIG_DIRECTORY


def is_above(path: Path) -> bool:
    """Whether a file that was found is above the working directory."""
    return path.parts[:1] == (os.pardir,)


def known_environments(directory: Path) -> list[str]:
    """The names of the environments that have a file in `directory`, and `local`, by name."""
    return sorted({file.stem for file in directory.glob("*.yaml")} | {"local"})


def _own(path: Path) -> Path:
    if is_above(path) and hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
        raise ConfigError(
            f"{path.resolve()} was found above this directory and belongs to another user.",
            hint=f"Read it, and name it with --config {path} if it is right.",
        )
    return path
