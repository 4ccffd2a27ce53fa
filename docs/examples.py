"""Run the examples of a page and write what they print below them: `python docs/examples.py PAGE...` (or `--check`).

An example is a fenced `console` block whose first line is `$ whatschat-ops ...`. Only commands that need no AWS belong
in such a block. Everything runs in a copy of `docs/samples`, without AWS variables, 100 columns wide.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PAGES = (Path(__file__).parent / "cost.md",)
EXAMPLE = re.compile(
    r"^```console\n\$ whatschat-ops (?P<arguments>.*)\n(?P<output>(?:(?!```).*\n)*)```$", re.MULTILINE
)


def renewed(text: str) -> str:
    """The page with the output of every example as it is now."""
    return EXAMPLE.sub(_run, text)


def _run(example: re.Match[str]) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WHATSCHAT_"))
    }
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(Path(__file__).parent / "samples", copy, dirs_exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "whatschat_ops", *shlex.split(example["arguments"])],
            capture_output=True, text=True, check=True, timeout=60, cwd=copy,
            env={**environment, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
    output = "\n".join(line.rstrip() for line in done.stdout.splitlines())
    return f"```console\n$ whatschat-ops {example['arguments']}\n{output}\n```"


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which are stale (exit code 1)."""
    check = "--check" in arguments
    pages = [Path(argument) for argument in arguments if argument != "--check"] or PAGES
    stale = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fresh = renewed(text)
        if fresh != text:
            stale.append(str(page))
            if not check:
                page.write_text(fresh, encoding="utf-8")
    sys.stderr.write("".join(f"{'stale' if check else 'wrote'}: {page}\n" for page in stale))
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
