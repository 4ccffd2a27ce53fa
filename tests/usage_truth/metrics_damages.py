"""CloudWatch's answers damaged on their way, by a server between the program and the embedded AWS: what the measurement says then."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest

from tests.usage_truth.doing import DOCUMENT, Cli
from tests.usage_truth.proof import World

Answer = dict[str, Any]
Change = Callable[[Answer, Answer], None]
"""Changes an answer to GetMetricData in place, given the request."""
PARTIAL: Final = "CloudWatch did not answer all of it: the figures are too small"


def _partial(_: Answer, answer: Answer) -> None:
    for result in answer["MetricDataResults"]:
        result["StatusCode"] = "PartialData"


def _missing(_: Answer, answer: Answer) -> None:
    answer["MetricDataResults"].pop()


def _message(_: Answer, answer: Answer) -> None:
    answer["Messages"] = [{"Code": "ArithmeticError", "Value": "a metric was not added"}]


def _of(request: Answer, answer: Answer, namespace: str) -> Iterator[Answer]:
    asked = {each["Id"]: each["MetricStat"]["Metric"]["Namespace"] for each in request["MetricDataQueries"]}
    return (result for result in answer["MetricDataResults"] if asked[result["Id"]] == namespace)


def _empty(request: Answer, answer: Answer) -> None:
    for result in _of(request, answer, "AWS/Lambda"):
        result |= {"Timestamps": [], "Values": []}


def _not_numbers(request: Answer, answer: Answer) -> None:
    for result in _of(request, answer, "AWS/ApiGateway"):
        result["Values"] = [float("nan")] * len(result["Values"])


DAMAGES: Final[tuple[tuple[str, Change, str], ...]] = (
    ("answers of a part of the data", _partial, PARTIAL),
    ("a metric without an answer", _missing, PARTIAL),
    ("a message beside the data", _message, "CloudWatch: ArithmeticError: a metric was not added"),
    ("no data points of the functions", _empty, "no data points of the functions"),
    ("data points that are no numbers", _not_numbers, "no data points of the API"),
)


def of_metrics(world: World) -> Iterator[tuple[str, str, int]]:
    """What was damaged, the remark that must say so, and how often it did."""
    config = world.cli.config.with_name(
        "account.yaml"
    )  # as an account: only there may a variable name CloudWatch's endpoint
    config.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    account = replace(world, cli=Cli(config))
    for said, change, remark in DAMAGES:
        with _between(world.aws.port, change) as url, pytest.MonkeyPatch.context() as patch:
            for name, value in {**world.aws.aws_environment(), "AWS_ENDPOINT_URL_CLOUDWATCH": url}.items():
                patch.setenv(name, value)
            yield said, remark, list(account.actual("cloudwatch")[0]["remarks"]).count(remark)


@contextmanager
def _between(port: int, change: Change) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(port, change))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(port: int, change: Change) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Passes a request on as it is, so that its signature stays valid."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            upstream.request("POST", self.path, body, dict(self.headers.items()))
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            if self.headers.get("X-Amz-Target", "").endswith(".GetMetricData") and answer.status == 200:
                changed = json.loads(content)
                change(json.loads(body), changed)
                content = json.dumps(changed).encode()
            self.send_response_only(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """The test says what went wrong."""

    return Handler
