"""What a profile of the AWS CLI sets, found as botocore finds it, without botocore: a start has no time for it.

botocore.session.Session.get_scoped_config and botocore.configloader: the profile is `AWS_PROFILE`, else `default`; its settings
are those of `[profile NAME]` or `[default]` in `~/.aws/config` (`AWS_CONFIG_FILE`), and of `[NAME]` in
`~/.aws/credentials` (`AWS_SHARED_CREDENTIALS_FILE`), which wins. A profile without a Region does not get that of `default`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from whatschat_ops.config.located import Located, Origin
from whatschat_ops.errors import ConfigError

Sections = Mapping[str, Mapping[str, str]]
FILES = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config"))
"""The variable that names a file, and where it is otherwise. What the first one says wins."""


def profile_setting(key: str, profile: str | None, environ: Mapping[str, str]) -> Located | None:
    """A setting (`region`) of `profile`, or of the default one; None when it has none, or there is no such profile.

    Raises ConfigError for a file that botocore could not read either.
    """
    name = profile or environ.get("AWS_DEFAULT_PROFILE") or "default"
    for variable, usual in FILES:
        path = _expanded(environ.get(variable) or usual, environ)
        if not os.path.isfile(path):  # noqa: PTH113 - pathlib raises where a part of the path is no folder
            continue
        sections = _read(path)
        profiles = sections if variable == "AWS_SHARED_CREDENTIALS_FILE" else _profiles(sections)
        value = profiles.get(name, {}).get(key)
        if value is not None:
            return Located(value, Origin(f"profile {name} in {path}")) if value else None
    return None


def _expanded(path: str, environ: Mapping[str, str]) -> str:
    """With variables and `~` in it, as botocore reads it."""
    path = os.path.expandvars(path)
    home = environ.get("HOME")
    return f"{home}{path[1:]}" if home and path.startswith("~/") else _of_user(path, environ)


def _of_user(path: str, environ: Mapping[str, str]) -> str:
    """Without HOME only the password database knows the home directory, and only of the user of this process."""
    return os.path.expanduser(path) if environ is os.environ else path  # noqa: PTH111 - see above


def _read(path: str) -> Sections:
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read([path])
    except (configparser.Error, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"The AWS profile cannot be read: {path} is no valid configuration file ({reason}).",
            hint="Fix the file.",
        ) from error
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _profiles(sections: Sections) -> Sections:
    """Profile -> its settings: `[default]`, and what is named after the word `profile`. Later sections win."""
    import shlex

    found: dict[str, Mapping[str, str]] = {}
    for section, values in sections.items():
        if section == "default":
            found[section] = values
        elif section.startswith("profile"):
            try:
                words = shlex.split(section)
            except ValueError:  # a quote that is not closed
                continue
            if len(words) == 2:
                found[words[1]] = values
    return found
