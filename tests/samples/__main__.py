"""`python -m tests.samples`, see the package."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.local.conftest import EmbeddedAws, started
from tests.ports import free_port
from tests.samples import tools
from tests.samples.of_npm import CdkStack, SlsService
from tests.samples.of_sam import ChatApp, ChimeDemo
from tests.samples.outcome import Row, Sample, carry_out, table
from tests.samples.world import World
from whatschat_ops.local import service
from whatschat_ops.local.layout import Options

PAGE: Final = Path(__file__).parents[2] / "docs" / "samples.md"
BEGIN, END = "<!-- samples: begin -->", "<!-- samples: end -->"
SAMPLES: Final[Mapping[str, Callable[[World], Sample]]] = {
    "chat": ChatApp,
    "chime": ChimeDemo,
    "cdk": CdkStack,
    "sls": SlsService,
}


def main() -> int:
    """Run the samples. Returns 1 if a step failed."""
    options = _options()
    tools_directory = options.tools.resolve()
    tools.install(tools_directory, say)
    with tempfile.TemporaryDirectory(prefix="samples-") as directory:
        rows: list[Row] = []
        with _embedded_aws(Path(directory), tools_directory / "sdk" / "node_modules") as aws:
            checkouts = os.environ.get("WHATSCHAT_SAMPLES_DIR")
            world = World(aws, Path(directory), tools_directory, Path(checkouts) if checkouts else None)
            for name in options.only or SAMPLES:
                sample = SAMPLES[name](world)
                rows += carry_out(sample.name, sample.steps(), say)
    lines = "\n".join(table(rows))
    sys.stdout.write(f"{lines}\n")
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return int(any(row.result == "failed" for row in rows))


def say(text: str) -> None:
    """Progress, not part of the table."""
    sys.stderr.write(f"{text}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.samples")
    parser.add_argument("--only", action="append", choices=list(SAMPLES))
    parser.add_argument("--tools", type=Path, default=Path(tempfile.gettempdir()) / "whatschat-samples-tools")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


@contextmanager
def _embedded_aws(directory: Path, node_modules: Path) -> Iterator[EmbeddedAws]:
    """An embedded AWS that lends functions the AWS SDK for Node, until the end of the run."""
    state = directory / "state"
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("WHATSCHAT_OPS_STATE_DIR", str(state))
        lent = Options(node_modules=str(node_modules))
        found = service.ensure_running(port=free_port(), say=say, options=lent)
        try:
            yield started(state, found)
        finally:
            service.stop()


if __name__ == "__main__":
    sys.exit(main())
