"""`config`: the settings and their origins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.lines import Lines, Styled, aligned
from whatschat_ops.files import write_whole


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting: its dotted key, its value, and where the value came from."""

    key: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """A configuration that is valid."""

    environment: str
    file: Path | None
    valid: bool = True


def show(run: Run) -> None:
    """Show every setting and its origin.

    The origin is an option, an environment variable, a line of the configuration file, or the default.

    Example: whatschat-ops config show -e staging
    """
    from whatschat_ops.config.loading import flatten

    loaded = run.loaded
    rows = [
        SettingRow(key, value, str(loaded.origins[key])) for key, value in flatten(loaded.settings).items()
    ]
    if loaded.settings.local.port is None:
        rows = [_port_row() if row.key == "local.port" else row for row in rows]
    run.out.result(rows, _render_settings)


def validate(run: Run) -> None:
    """Check the settings.

    Checks the configuration file and the environment variables.

    Example: whatschat-ops config validate --config configs/production.yaml
    """
    loaded = run.loaded
    run.out.result(
        ValidationResult(loaded.settings.environment, loaded.path),
        lambda result: f"{result.file or 'The defaults'}: valid.",
    )


OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file [default: standard output]")
]


def schema(run: Run, output: OutputOption = None) -> None:
    """Print the JSON Schema of configuration files.

    Editors complete and check the files with it.

    Example: whatschat-ops config schema --output configs/schema.json
    """
    from whatschat_ops.config.schema import json_schema

    _write(run, json.dumps(json_schema(), indent=2) + "\n", output)


def reference(run: Run, output: OutputOption = None) -> None:
    """Describe every setting.

    Its default, allowed values and meaning, as a Markdown page; with --json, as a list.

    Example:
        whatschat-ops config reference
        whatschat-ops config reference --json
    """
    from whatschat_ops.config.reference import described_settings
    from whatschat_ops.config.reference import reference as page

    if run.out.as_json and output is None:
        run.out.result(described_settings(), str)
        return
    _write(run, page(), output)


def _port_row() -> SettingRow:
    """Where the embedded AWS listens, or is tried first, when no port is configured."""
    from whatschat_ops.local import ports
    from whatschat_ops.local.layout import Layout

    layout = Layout.of_user()
    if (port := ports.remembered_port(layout)) is not None:
        return SettingRow("local.port", port, f"{layout.port_file}")
    return SettingRow("local.port", ports.DEFAULT_PORT, "default, or the next free port")


def _write(run: Run, text: str, output: Path | None) -> None:
    if output is None:
        run.out.text(text)
        return
    write_whole(output, text, flag="--output")
    run.out.note(f"Wrote {output}.")


def _as_written(value: Any) -> str:
    """A value as it is written in a configuration file."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=_given)


def _given(section: Any) -> dict[str, Any]:
    """What is given in a section inside of a value: the parameter of a function's variable."""
    return {name: item for name in section.__struct_fields__ if (item := getattr(section, name)) is not None}


def _render_settings(rows: list[SettingRow]) -> Lines:
    cells = [("Setting", "Value", "From"), *((row.key, _as_written(row.value), row.origin) for row in rows)]
    styles = ["bold", *("dim" if row.origin == "default" else "" for row in rows)]
    return Lines([Styled(text, style) for text, style in zip(aligned(cells), styles, strict=True)])
