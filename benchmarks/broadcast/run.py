"""One message to many connections: this program's full path beside other clients that only post, on this machine.

    python benchmarks/broadcast/run.py [--rows 200000] [--seconds 5] [--rounds 1] [--venv DIR] [--memory 1000000] [--write]

Every client posts messages of about 200 bytes over 64 connections to a local nginx that answers 200 (a slower Python server
takes its place where nginx is not installed), from one processor core, plain and over TLS; the server has the other core.
Peers do nothing but post, for some seconds; `wrk`, where it is installed, does not even sign. Ours is the whole command as a
user runs it: start, scan of the table (a fast stand-in for DynamoDB), journal on disk, signing, posts, accounting; its
rate is that of the whole process. Then memory for a million connections and the time to the first post.
`--venv` is where the peers are, or will be, installed. `--write` puts the tables into docs/benchmarks.md. Loopback only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers import AT_ONCE, BODY, KEY, REGION, REQUIREMENTS, SECRET
from servers import HERE, Server, best_server, stand_in

ROOT = HERE.parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
UNLIMITED_PER_S = "10000000"
OURS = "whatschat-ops ws broadcast"
WRK = "wrk (no signing, no bookkeeping)"


@dataclass(frozen=True)
class Figures:
    """One client's run. `cpu_s` is that of the client alone."""

    posts: int
    seconds: float
    cpu_s: float
    peak_mb: float = 0.0

    @property
    def rate_per_s(self) -> float:
        return self.posts / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time for each post."""
        return self.cpu_s / self.posts * 1e6


@dataclass(frozen=True)
class Setting:
    """What all runs share. The pins are put before commands."""

    scratch: Path
    server: Server
    client_pin: list[str]
    server_pin: list[str]


def pins() -> tuple[list[str], list[str]]:
    """(client, server): commands that keep a process on one core; nothing where that cannot be."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if shutil.which("taskset") is None or len(cores) < 2:
        print(
            "Processes are not kept on one core each: taskset or a second core is missing.", file=sys.stderr
        )
        return [], []
    return ["taskset", "-c", str(cores[1])], ["taskset", "-c", str(cores[0])]


def wait(process: subprocess.Popen[Any], started: float) -> tuple[float, float, float]:
    """(wall seconds, processor seconds, peak memory in MB) of a process that ends by itself."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def environment(scratch: Path, aws_port: int, url: str, ca_file: str | None) -> dict[str, str]:
    """Leads our program to the stand-ins, with a state directory of its own."""
    state = tempfile.mkdtemp(dir=scratch)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "WHATSCHAT_"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "WHATSCHAT_OPS_STATE_DIR": state,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws_port}",
        "AWS_API_GATEWAY_WEBSOCKET_ENDPOINT": url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        **({"AWS_CA_BUNDLE": ca_file} if ca_file else {}),
    }


def our_command() -> list[str]:
    command = [sys.executable, "-m", "whatschat_ops", "ws", "broadcast", "--json", "--yes"]
    return [*command, "--rate", UNLIMITED_PER_S, "--concurrency", str(AT_ONCE), BODY.decode()]


def ours(setting: Setting, url: str, ca_file: str | None, rows: int) -> Figures:
    """The whole command for `rows` connections. Exits with its own words when it did not deliver to all."""
    with (
        stand_in([*setting.server_pin, sys.executable, str(HERE / "fake_aws.py"), str(rows)]) as (
            aws_port,
            _,
        ),
        tempfile.TemporaryFile() as output,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(
            [*setting.client_pin, *our_command()],
            env=environment(setting.scratch, aws_port, url, ca_file),
            cwd=setting.scratch,
            stdout=output,
        )
        seconds, cpu_s, peak_mb = wait(process, started)
        output.seek(0)
        said = output.read().decode()
    if process.returncode or json.loads(said)["delivered"] != rows:
        sys.exit(f"{OURS} ended with {process.returncode}: {said}")
    return Figures(rows, seconds, cpu_s, peak_mb)


def first_post_s(setting: Setting, rows: int) -> float:
    """From the start of the process to the first POST, while the table has `rows` rows."""
    with (
        stand_in([*setting.server_pin, sys.executable, str(HERE / "fake_aws.py"), str(rows)]) as (
            aws_port,
            _,
        ),
        stand_in([*setting.server_pin, sys.executable, str(HERE / "answering.py")]) as (port, server),
    ):
        started = time.time()
        process = subprocess.Popen(
            [*setting.client_pin, *our_command()],
            env=environment(setting.scratch, aws_port, f"http://127.0.0.1:{port}/production", None),
            cwd=setting.scratch,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert server.stdout is not None
            return float(server.stdout.readline()) - started
        finally:
            process.kill()
            process.wait()


def peer(setting: Setting, python: Path, name: str, url: str, ca_file: str | None, seconds: float) -> Figures:
    command = [*setting.client_pin, str(python), str(HERE / "peers.py"), name, url, str(seconds)]
    done = subprocess.run(
        [*command, *([ca_file] if ca_file else [])],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true"},
    )
    if done.returncode:
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    return Figures(**json.loads(done.stdout))


def wrk(setting: Setting, url: str, seconds: float) -> Figures:
    """The ceiling: the same bytes as fast as C can send them."""
    script = setting.scratch / "post.lua"
    headers = {
        "X-Amz-Date": "20261123T100000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/execute-api/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    }
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
    script.write_text("\n".join([f'wrk.method = "POST"; wrk.body = {json.dumps(BODY.decode())}', *lines]))
    target = f"{url}/@connections/{'A' * 15}%3D"
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [
                *setting.client_pin,
                "wrk",
                "-t1",
                f"-c{AT_ONCE}",
                f"-d{seconds:.0f}s",
                "-s",
                str(script),
                target,
            ],
            stdout=output,
        )
        _, cpu_s, _ = wait(process, started)
        output.seek(0)
        said = output.read().decode()
    found = re.search(r"(\d+) requests in ([\d.]+)s", said)
    if found is None or "Non-2xx" in said:
        sys.exit(f"wrk: {said}")
    return Figures(int(found[1]), float(found[2]), cpu_s)


def install_peers(venv: Path) -> Path:
    """The interpreter of an environment with as many peers as can be installed."""
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        for package in sorted(set(REQUIREMENTS.values())):
            made = subprocess.run([str(python), "-m", "pip", "--quiet", "install", package], check=False)
            if made.returncode:
                print(f"{package} cannot be installed here: it is left out.", file=sys.stderr)
    return python


def installed_peers(python: Path) -> list[str]:
    code = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]) is not None)"
    return [
        name
        for name, package in REQUIREMENTS.items()
        if subprocess.run([str(python), "-c", code, package], capture_output=True, text=True, check=True).stdout.strip() == "True"
    ]  # fmt: skip


Measure = Callable[[str, "str | None"], Figures]


def clients(setting: Setting, python: Path | None, rows: int, seconds: float) -> dict[str, Measure]:
    """Every client that takes part."""
    found: dict[str, Measure] = {}
    for name in installed_peers(python) if python else ():
        found[name] = lambda url, ca, name=name: peer(setting, python, name, url, ca, seconds)  # type: ignore[misc,arg-type]
    if shutil.which("wrk"):
        found[WRK] = lambda url, _: wrk(setting, url, seconds)
    else:
        print("wrk is not installed: the ceiling is left out.", file=sys.stderr)
    found[OURS] = lambda url, ca: ours(setting, url, ca, rows)
    return found


@dataclass(frozen=True)
class Runs:
    """One client's runs, a round each, in plain HTTP and over TLS (none where the server has no TLS)."""

    plain: list[Figures] = field(default_factory=list)
    tls: list[Figures] = field(default_factory=list)


Table = dict[str, Runs]


def measure_all(setting: Setting, taking_part: dict[str, Measure], rounds: int) -> Table:
    """The clients take turns; the last two, wrk and ours, follow each other closely."""
    server = setting.server
    found = {name: Runs() for name in taking_part}
    for _ in range(rounds):
        for kind, url, ca_file in (("plain", server.url, None), ("TLS", server.tls_url, server.ca_file)):
            for name, measure in taking_part.items() if url else ():
                run = measure(url, ca_file)
                (found[name].tls if ca_file else found[name].plain).append(run)
                print(f"{name:35} {kind:5} {run.rate_per_s:8,.0f}/s {run.cpu_us:6.1f} µs", file=sys.stderr)
    return found


def usual(runs: list[Figures]) -> Figures:
    """The one in the middle by its rate (of an even number, the slower one)."""
    return sorted(runs, key=lambda run: run.rate_per_s)[(len(runs) - 1) // 2]


def rate_ratios(mine: list[Figures], theirs: list[Figures]) -> list[float]:
    """Round by round: on a machine whose speed changes, only what ran at the same time can be compared."""
    return [ours.rate_per_s / peer.rate_per_s for ours, peer in zip(mine, theirs, strict=True)]


def cpu_ratios(mine: list[Figures], theirs: list[Figures]) -> list[float]:
    return [peer.cpu_us / ours.cpu_us for ours, peer in zip(mine, theirs, strict=True)]


def table_text(found: Table) -> str:
    """The clients by what a post costs them; the ratios say how many times ours does in the same time."""
    mine = found[OURS]
    lines = [
        "| client | posts/s | CPU for each | ratio of rates | ratio of CPU | posts/s, TLS | CPU for each, TLS | ratio of rates, TLS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in sorted(found.items(), key=lambda entry: -usual(entry[1].plain).cpu_us):
        cells = [name, *cells_of(usual(runs.plain))]
        cells.append(f"{statistics.median(rate_ratios(mine.plain, runs.plain)):.2f}×")
        cells.append(f"{statistics.median(cpu_ratios(mine.plain, runs.plain)):.2f}×")
        if runs.tls:
            cells += [
                *cells_of(usual(runs.tls)),
                f"{statistics.median(rate_ratios(mine.tls, runs.tls)):.2f}×",
            ]
        else:
            cells += ["", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cells_of(figures: Figures) -> tuple[str, str]:
    return f"{figures.rate_per_s:,.0f}", f"{figures.cpu_us:.1f} µs"


def goals_text(found: Table, million: Figures | None, first_s: float) -> str:
    """What was aimed at, what came out; only of what was measured."""
    mine = found[OURS]
    goals: list[tuple[str, float, str, bool]] = []
    for name, least in (("boto3, 64 threads", 25), ("aiobotocore", 10), (WRK, 0.35)):
        if name in found:
            ratios = rate_ratios(mine.plain, found[name].plain)
            ratio = statistics.median(ratios)
            form = f"{{:.2f}}× ({min(ratios):.2f} to {max(ratios):.2f})"
            goals.append((f"at least {least:g} times the rate of {name}", ratio, form, ratio >= least))
    cpu_us = usual(mine.plain).cpu_us
    goals.append(("at most 60 µs of CPU for a message, all in", cpu_us, "{:.1f} µs", cpu_us <= 60))
    if mine.tls:
        rate = usual(mine.tls).rate_per_s
        goals.append(("at least 10,000 messages/s over TLS on one core", rate, "{:,.0f}/s", rate >= 10_000))
    goals.append(
        ("the first post within 0.5 s of the start of the process", first_s, "{:.2f} s", first_s <= 0.5)
    )
    if million:
        peak = million.peak_mb
        goals.append((f"at most 200 MB at {million.posts:,} connections", peak, "{:.0f} MB", peak <= 200))
    lines = ["| goal | found | |", "|---|---|---|"]
    lines += [f"| {goal} | {form.format(value)} | {'reached' if reached else '**not reached**'} |" for goal, value, form, reached in goals]  # fmt: skip
    if million:
        lines += [
            "",
            f"The run of {million.posts:,} connections: {million.rate_per_s:,.0f}/s, {million.cpu_us:.1f} µs of CPU for each, start included.",
        ]
    return "\n".join(lines)


def write(text: str) -> None:
    old = DOCUMENT.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- broadcast -->\n).*?(<!-- /broadcast -->)", re.DOTALL)
    if not marked.search(old):
        sys.exit(f"{DOCUMENT} has no place for these tables (<!-- broadcast -->).")
    DOCUMENT.write_text(marked.sub(lambda match: f"{match[1]}{text}\n{match[2]}", old), encoding="utf-8")


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="broadcast-benchmark-") as directory:
        scratch = Path(directory)
        client_pin, server_pin = pins()
        python = None if options.no_peers else install_peers((options.venv or scratch / "venv").resolve())
        with best_server(scratch, server_pin) as server:
            setting = Setting(scratch, server, client_pin, server_pin)
            taking_part = clients(setting, python, options.rows, options.seconds)
            found = measure_all(setting, taking_part, options.rounds)
            million = ours(setting, server.url, None, options.memory) if options.memory else None
            rows = options.memory or options.rows
            first_s = statistics.median(first_post_s(setting, rows) for _ in range(max(3, options.rounds)))
    header = (
        f"Server: {server.name}. {'One core for the client, one for the server' if client_pin else 'Cores not assigned'}; "
        f"peers posted for {options.seconds:g} s, ours sent to "
        f"{options.rows:,} connections; the medians of {options.rounds} rounds, ratios taken round by round."
    )
    text = "\n\n".join([header, table_text(found), goals_text(found, million, first_s)])
    print(text)
    if options.write:
        write(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000, help="connections of our runs")
    parser.add_argument("--seconds", type=float, default=5, help="how long a peer posts")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--venv", type=Path, help="where the peers are installed, or will be")
    parser.add_argument("--no-peers", action="store_true", help="only ours and wrk")
    parser.add_argument(
        "--memory", type=int, default=1_000_000, help="connections of the memory run; 0: none"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
