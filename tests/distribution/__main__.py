"""Installs a wheel of this repository as its users do, each time in a home of its own, and runs it there.

    python -m tests.distribution [WORD ...] [--python PATH] [--write]

WORD is a part of what installs it, such as `uv tool`. Needs git, bash and PyPI, from which it installs uv and pipx; takes about ten
minutes on an idle machine and 2 GB of disk meanwhile. First the archives: a wheel built from the source distribution is the same as the one built here,
and unit tests pass in the unpacked source distribution. `--write` puts the table into docs/stability.md. Exit code 1 if something fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.distribution.archives import MADE, ROOT, build, contents, naming_this_machine, tracked
from tests.distribution.installers import WAYS, Way
from tests.ports import free_port

PAGE: Final = ROOT / "docs" / "stability.md"
BEGIN: Final = "<!-- replaced by `python -m tests.distribution --write` -->"
END: Final = "<!-- end -->"
STEP_S: Final = 900
"""The most that one command line may take."""
KEPT: Final = re.compile(r"PIP_|UV_|SSL_|REQUESTS_CA|CURL_CA|\w+_proxy$", re.IGNORECASE)
"""The variables that lead to an index. No other variable of this user is set."""
CACHES: Final = (
    ".cache",
    ".local/share/pipx/shared",
    ".local/share/pipx/venvs/.",
    ".local/state/pipx",
    ".local/share/uv/tools/.",
)
UNIT_TESTS: Final = ("tests/unit/test_files.py", "tests/unit/test_installation.py")
VENV: Final = "venv/"


class Failed(Exception):
    """A command line did not do what it should."""


@dataclass(frozen=True)
class Home:
    """An empty home directory with this wheel."""

    path: Path
    wheel: str
    python: str
    environment: Mapping[str, str]

    def filled(self, argv: Sequence[str]) -> list[str]:
        """A command line with what its placeholders stand for."""
        return [
            part.format(home=self.path, wheel=self.wheel, python=self.python) if "{" in part else part
            for part in argv
        ]

    def run(self, argv: Sequence[str], code: int = 0) -> subprocess.CompletedProcess[str]:
        """One command line in this home. Raises Failed."""
        done = subprocess.run(
            self.filled(argv), cwd=self.path / "work", env=dict(self.environment), stdin=subprocess.DEVNULL,
            capture_output=True, encoding="utf-8", timeout=STEP_S, check=False,
        )  # fmt: skip
        if done.returncode != code:
            raise Failed(f"{argv} ended with {done.returncode}, not {code}: {done.stdout}{done.stderr}")
        return done

    def files(self) -> set[str]:
        """What is in it, without caches and what installers keep for themselves."""
        names = {path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file()}
        return {name for name in names if not name.startswith(CACHES)}


@dataclass(frozen=True)
class Row:
    """What came of one way to install it."""

    way: Way
    printed: str
    left: tuple[str, ...]
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Check the archives, try each way, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.distribution", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    if options.write and options.words:
        parser.error("--write is for all of them: the table is that of one run.")
    chosen = [way for way in WAYS if not options.words or any(word in way.name for word in options.words)]
    with tempfile.TemporaryDirectory(prefix="distribution-") as directory:
        work = Path(directory).resolve()
        try:
            wheel = checked_wheel(work)
            tools = installed_tools(work / "tools")
            rows = held(chosen, work, wheel, tools, options.python)
        except (Failed, subprocess.TimeoutExpired) as failure:
            _say(str(failure))
            return 1
        version = _run([options.python, "--version"], work).stdout.strip()
        versions = _run([str(tools / "uv"), "--version"], work).stdout.strip().partition(" (")[0]
        pipx = _run([str(tools / "pipx"), "--version"], work).stdout.strip()
    if options.write:
        text = PAGE.read_text(encoding="utf-8")
        before, _, after = re.split(f"{re.escape(BEGIN)}|{re.escape(END)}", text)
        written = (
            f"{before}{BEGIN}\n\n{rendered(rows)}\n\n{version}, {versions}, pipx {pipx}.\n\n{END}{after}"
        )
        PAGE.write_text(written, encoding="utf-8")
    return 0 if len(rows) == len(chosen) else 1


def held(ways: Sequence[Way], work: Path, wheel: Path, tools: Path, python: str) -> list[Row]:
    """A row for each way that holds; what fails in the others is printed."""
    rows = []
    for number, way in enumerate(ways):
        try:
            rows.append(tried(way, work / f"home{number}", wheel, tools, python))
        except (Failed, subprocess.TimeoutExpired) as failure:
            _say(f"{way.name}: FAILED: {failure}")
    return rows


def checked_wheel(work: Path) -> Path:
    """The wheel, after the archives were compared with the repository. Raises Failed."""
    sdist, wheel = build(work / "dist")
    if difference := (set(contents(sdist)) - MADE) ^ tracked():
        raise Failed(f"The source distribution and git differ: {sorted(difference)}")
    if found := [*naming_this_machine(sdist), *naming_this_machine(wheel)]:
        raise Failed(f"These files name a folder of this machine: {found}")
    unpacked = work / "unpacked"
    unpacked.mkdir()
    _run(["tar", "--extract", "--file", str(sdist), "--strip-components", "1"], unpacked)
    _run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "again", "."], unpacked
    )
    (again,) = (unpacked / "again").glob("*.whl")
    if contents(again) != contents(wheel):
        raise Failed("The wheel of the source distribution differs from that of the repository.")
    tests = _run([sys.executable, "-m", "pytest", "-q", "-n", "0", *UNIT_TESTS], unpacked)
    _say(
        f"archives: {len(contents(sdist))} files, {len(contents(wheel))} in the wheel; {tests.stdout.strip().splitlines()[-1]}"
    )
    return wheel


def installed_tools(directory: Path) -> Path:
    """uv and pipx in an environment of their own; the folder of their programs."""
    venv.create(directory, with_pip=True)
    _run([str(directory / "bin" / "pip"), "install", "--quiet", "uv", "pipx"], directory)
    return directory / "bin"


def tried(way: Way, directory: Path, wheel: Path, tools: Path, python: str) -> Row:
    """Install the wheel, use it, add an extra as it says, and uninstall it; then once more with the extra at once."""
    began = time.monotonic()
    plain = made_home(directory / "plain", str(wheel), tools, python)
    for argv in way.install:
        plain.run(argv)
    used(way, plain)
    printed = extra_added(way, plain)
    if way.uninstall:
        plain.run(way.uninstall)
    left = tuple(sorted(plain.files() - {name for name in plain.files() if name.startswith(VENV)}))
    whole = made_home(directory / "whole", f"{wheel}[local]", tools, python)
    for argv in way.install:
        whole.run(argv)
    provisioned(way.program, whole)
    if left_program := [
        name for name in plain.files() if "whatschat" in name and not name.startswith(".local/state/")
    ]:
        raise Failed(f"{way.name} leaves {left_program}")
    _say(f"{way.name}: holds, {time.monotonic() - began:.0f} s; left: {left}")
    return Row(way, printed, left, time.monotonic() - began)


def made_home(path: Path, wheel: str, tools: Path, python: str) -> Home:
    """An empty home directory. Caches of packages are shared, so that each is downloaded once."""
    (path / "work").mkdir(parents=True)
    caches = path.parents[1] / "caches"
    environment = {
        **{name: value for name, value in os.environ.items() if KEPT.match(name)},
        "HOME": str(path),
        "PATH": f"{path}/.local/bin:{tools}:/usr/bin:/bin",
        "PIP_CACHE_DIR": str(caches / "pip"),
        "UV_CACHE_DIR": str(caches / "uv"),
        "PIPX_DEFAULT_PYTHON": python,
        "UV_PYTHON": python,
        "WHATSCHAT_LOCAL_PORT": str(free_port()),
    }
    return Home(path, wheel, python, environment)


def used(way: Way, home: Home) -> None:
    """What needs no extra: the version, a file of settings, completion."""
    about = json.loads(home.run((*way.program, "--version", "--json")).stdout)
    if (about["installer"], about["extras"], about["editable"]) != (way.installer, [], False):
        raise Failed(f"{way.name}: --version --json says {about}")
    home.run((*way.program, "-e", "staging", "init"))
    if not (home.path / "work" / "configs" / "staging.yaml").is_file():
        raise Failed(f"{way.name}: init wrote no file")
    file = home.path / "work" / "completion.bash"
    file.write_text(home.run((*way.program, "completion", "bash")).stdout, encoding="utf-8")
    home.run(("bash", "-c", "source completion.bash && complete -p whatschat-ops"))


def extra_added(way: Way, home: Home) -> str:
    """The line that the program prints for what is missing, run as it stands there; afterwards the main job works."""
    said = home.run((*way.program, "provision", "--yes"), code=1).stderr
    found = re.search(r"^ *Try: (.+)$", said, re.MULTILINE)
    if found is None:
        raise Failed(f"{way.name}: no line to run in {said}")
    line = found[1]
    done = home.run(("bash", "-c", line))
    if way.install:
        provisioned(tuple(home.filled(way.program)), home)
    else:  # what is run once has the extra when that is named each time, and the line runs the command itself
        program = ("bash", "-c", f'{line.removesuffix("provision --yes")}"$@"', "uvx")
        provisioned(program, home, done)
    return line.replace(str(home.wheel), "WHEEL").replace(str(home.path), "~")


def provisioned(
    program: Sequence[str], home: Home, done: subprocess.CompletedProcess[str] | None = None
) -> None:
    """The main job on the embedded AWS, `done` already or not. Raises Failed."""
    try:
        done = done or home.run((*program, "provision", "--yes"))
        if "is provisioned" not in (said := _said(done)):
            raise Failed(f"{program}: {said}")
        status = json.loads(home.run((*program, "--json", "plan")).stdout)
        if status["changes"]:
            raise Failed(f"{program}: a second run has changes")
    finally:
        home.run((*program, "local", "stop"))


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def rendered(rows: Sequence[Row]) -> str:
    """The table for the page."""
    lines = [
        "| installed with | without an extra | the line it prints for `local`, run as printed | main job | after uninstalling |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        kinds = sorted(
            {name.split("/")[0] if "/" not in name else "/".join(name.split("/")[:3]) for name in row.left}
        )
        left = ", ".join(f"`~/{kind}`" for kind in kinds if not kind.startswith("work"))
        lines.append(
            f"| {row.way.name} | works | `{row.printed}` | with that line, and with `WHEEL[local]` at once | {left or 'nothing'} |"
        )
    return "\n".join(lines)


def _run(argv: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        argv, cwd=directory, capture_output=True, encoding="utf-8", timeout=STEP_S, check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    if done.returncode:
        raise Failed(f"{argv} ended with {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
