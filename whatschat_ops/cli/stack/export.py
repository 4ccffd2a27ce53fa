"""`export`: the stack for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whatschat_ops.cli.run import Run
from whatschat_ops.cli.terminal.output import Output
from whatschat_ops.errors import Hint, UsageError
from whatschat_ops.plurals import counted
from whatschat_ops.redaction import redact

if TYPE_CHECKING:
    from whatschat_ops.stack.cloudformation import ExportedTemplate


def cloudformation(
    run: Run,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the template [default: standard output]")
    ] = None,
    format_: Annotated[
        Literal["yaml", "json"], typer.Option("--format", help="Format of the template")
    ] = "yaml",
    code_bucket: Annotated[
        str | None,
        typer.Option("--code-bucket", metavar="BUCKET", help="S3 bucket for the deployment packages"),
    ] = None,
    code_prefix: Annotated[
        str, typer.Option("--code-prefix", metavar="PREFIX", help="Prefix of their keys in the bucket")
    ] = "",
    upload: Annotated[
        bool, typer.Option("--upload", help="Upload the deployment packages to the bucket")
    ] = False,
) -> None:
    """Export the stack as a CloudFormation template.

    Also prints the command that deploys it. Calls AWS only with --upload.

    Example:
        whatschat-ops export cloudformation -o stack.yaml
        whatschat-ops export cloudformation -o stack.yaml --code-bucket my-bucket --upload
    """
    from whatschat_ops.files import write_whole
    from whatschat_ops.stack.cloudformation import export_template, template_text, upload_code
    from whatschat_ops.stack.stack import function_packages

    if upload and not code_bucket:
        raise UsageError("--upload needs a bucket.", hint="Add --code-bucket BUCKET.")
    packages = function_packages(run.settings, run.out.note)
    made = export_template(run.settings, packages, bucket=code_bucket, prefix=code_prefix, output=output)
    if upload:
        made = upload_code(made, packages, run.names, run.aws)
    text = template_text(made.template, format_)
    if output is not None:
        write_whole(output, text, flag="--output")
    if output is not None or run.out.as_json:
        run.out.result(made, lambda made: _render(run.out, made))
    else:
        run.out.text(text)
        if not run.out.show_secrets and redact(text) != text:
            run.out.warn(
                "Secrets are hidden in this template: write it with --output, or add --show-secrets."
            )
        run.out.note(_next(run.out, made))


def _render(out: Output, made: ExportedTemplate) -> str:
    size_bytes = made.output.stat().st_size if made.output else 0
    lines = [
        f"Wrote {made.output}: {counted(len(made.template['Resources']), 'resource')}, {size_bytes:,} bytes."
    ]
    lines += [
        f"{'Uploaded' if each.uploaded else 'Exists:'} s3://{each.bucket}/{each.key} ({each.function})"
        for each in made.code
        if each.uploaded is not None
    ]
    return "\n".join([*lines, "", _next(out, made)])


def _next(out: Output, made: ExportedTemplate) -> str:
    lines = (out.suggestion(line) if isinstance(line, Hint) else line for line in made.next_commands)
    return "\n".join(["Deploy it with:", *(f"  {line}" for line in lines)])
