"""What is posted to: nginx that answers 200, plain and over TLS, or a small server of our own where there is no nginx."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
STAGE = "production"

NGINX = """\
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log error;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  ssl_certificate {directory}/certificate.pem; ssl_certificate_key {directory}/key.pem;
  ssl_session_cache shared:tls:1m;
  server {{
    listen 127.0.0.1:{plain} backlog=1024; listen 127.0.0.1:{tls} ssl backlog=1024;
    location / {{ return 200; }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """Where to post. `tls_url` and `ca_file` are None when it speaks plain HTTP only."""

    name: str
    url: str
    tls_url: str | None
    ca_file: str | None


@contextmanager
def best_server(directory: Path, pin: list[str]) -> Iterator[Server]:
    """nginx if it is installed. `pin` is put before its command."""
    nginx = shutil.which("nginx")
    if nginx is None:
        print(
            "nginx is not installed: a slower server takes its place, and TLS is left out.", file=sys.stderr
        )
        with stand_in([*pin, sys.executable, str(HERE / "answering.py")]) as (port, _):
            yield Server("a Python server", f"http://127.0.0.1:{port}/{STAGE}", None, None)
        return
    make_certificate(directory)
    plain, tls = free_port(), free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX.format(directory=directory, plain=plain, tls=tls))
    process = subprocess.Popen([*pin, nginx, "-c", str(configuration), "-p", str(directory), "-e", str(directory / "error.log")])  # fmt: skip
    try:
        wait_for_port(plain)
        yield Server(
            "nginx",
            f"http://127.0.0.1:{plain}/{STAGE}",
            f"https://localhost:{tls}/{STAGE}",
            str(directory / "authority.pem"),
        )
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def stand_in(command: list[str]) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A process of ours that prints its port and ends when its standard input does."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield int(process.stdout.readline()), process
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def make_certificate(directory: Path) -> None:
    """An authority (authority.pem) and its certificate for localhost, both on P-256."""
    (directory / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for command in (
        f"req -x509 {key} -days 2 -subj /CN=benchmark -keyout authority-key.pem -out authority.pem",
        f"req {key} -subj /CN=localhost -keyout key.pem -out request.pem",
        "x509 -req -in request.pem -CA authority.pem -CAkey authority-key.pem -CAcreateserial -days 2 "
        "-extfile extensions -out certificate.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=directory, check=True, capture_output=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"Nothing listens on port {port}.")
