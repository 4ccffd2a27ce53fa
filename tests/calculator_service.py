"""AWS's pricing calculator over loopback: the operations of botocore's model of bcm-pricing-calculator, whose inputs it checks.

The account behind it has no tables, so the audit log of a command is not found. It answers STS as well.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import botocore.session
from botocore.validate import ParamValidator

SERVICE: Final = "bcm-pricing-calculator"
MODEL: Final = botocore.session.get_session().get_service_model(SERVICE)
PAGE: Final = 10
"""Lines of an answer: fewer than AWS's, so that there are several pages."""
_IDENTITY: Final = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::111122223333:user/someone</Arn><UserId>AIDA</UserId><Account>111122223333</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@dataclass
class Calculator(ThreadingHTTPServer):
    """`prices`: service code and usage type -> dollars for one unit; any other is INVALID. `polls`: how often an estimate is UPDATING."""

    prices: dict[tuple[str, str], float]
    polls: int = 1
    stale: frozenset[str] = frozenset()
    refused: dict[str, str] = field(default_factory=dict)
    """Usage type -> why the line is not accepted at all."""
    outcome: str = "VALID"
    failing: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Operation -> status and error code of its answer, after its effect."""
    held: frozenset[str] = frozenset()
    """Operations that are answered when the service ends."""
    called: list[str] = field(default_factory=list)
    estimates: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: threading.Event = field(default_factory=threading.Event)
    """A held operation has come."""
    ended: threading.Event = field(default_factory=threading.Event)
    daemon_threads = True

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Of the endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, operation: str, values: dict[str, Any]) -> dict[str, Any]:
        """What the operation answers; raises AssertionError for an input that the model does not allow."""
        report = ParamValidator().validate(values, MODEL.operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()
        self.called.append(operation)
        method: Callable[..., dict[str, Any]] = getattr(self, f"_{operation}")
        found = method(**values)
        if operation in self.held:
            self.asked.set()
            assert self.ended.wait(60)
        return found

    def _CreateWorkloadEstimate(self, name: str, rateType: str, clientToken: str) -> dict[str, Any]:
        identifier = str(uuid.uuid4())
        self.estimates[identifier] = {"name": name, "lines": [], "polls": self.polls}
        return {"id": identifier, "name": name, "status": "UPDATING"}

    def _BatchCreateWorkloadEstimateUsage(
        self, workloadEstimateId: str, usage: list[dict[str, Any]], clientToken: str
    ) -> dict[str, Any]:
        found = self.estimates[workloadEstimateId]["lines"]
        errors = []
        for line in usage:
            if why := self.refused.get(line["usageType"]):
                errors.append({"key": line["key"], "errorCode": "BAD_REQUEST", "errorMessage": why})
            else:
                found.append(line)
        return {"items": [], "errors": errors}

    def _GetWorkloadEstimate(self, identifier: str) -> dict[str, Any]:
        estimate = self.estimates[identifier]
        estimate["polls"] -= 1
        if estimate["polls"] >= 0:
            return {"id": identifier, "status": "UPDATING"}
        if self.outcome == "INVALID":
            return {"id": identifier, "status": "INVALID", "failureMessage": "no rates for this account"}
        total = sum(item.get("cost", 0) for item in map(self._priced, estimate["lines"]))
        return {"id": identifier, "status": self.outcome, "totalCost": total, "costCurrency": "USD"}

    def _ListWorkloadEstimateUsage(self, workloadEstimateId: str, nextToken: str = "0") -> dict[str, Any]:
        lines = self.estimates[workloadEstimateId]["lines"]
        first = int(nextToken)
        more = {"nextToken": str(first + PAGE)} if first + PAGE < len(lines) else {}
        return {"items": [self._priced(line) for line in lines[first : first + PAGE]], **more}

    def _ListWorkloadEstimates(self, filters: list[dict[str, Any]]) -> dict[str, Any]:
        (only,) = filters
        items = [{"id": key, "name": each["name"]} for key, each in self.estimates.items() if each["name"] in only["values"]]  # fmt: skip
        return {"items": items}

    def _DeleteWorkloadEstimate(self, identifier: str) -> dict[str, Any]:
        del self.estimates[identifier]
        return {}

    def _priced(self, line: dict[str, Any]) -> dict[str, Any]:
        named = {key: line[key] for key in ("serviceCode", "usageType", "operation")}
        price = self.prices.get((line["serviceCode"], line["usageType"]))
        if price is None:
            return {**named, "status": "INVALID"}
        status = "STALE" if line["usageType"] in self.stale else "VALID"
        quantity = {"unit": "Units", "amount": line["amount"]}
        return {**named, "status": status, "cost": price * line["amount"], "quantity": quantity}


class _Handler(BaseHTTPRequestHandler):
    server: Calculator

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        target, _, operation = self.headers.get("X-Amz-Target", "").partition(".")
        if not target:
            self._send(200, _IDENTITY.encode(), "text/xml")
        elif target != MODEL.metadata["targetPrefix"]:
            self._refuse(400, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException")
        else:
            answer = self.server.answer(operation, json.loads(content))
            failing = self.server.failing.get(operation)
            if failing is not None:
                self._refuse(*failing)
            else:
                self._send(200, json.dumps(answer).encode(), "application/x-amz-json-1.0")

    def _refuse(self, status: int, code: str) -> None:
        body = json.dumps({"__type": code, "message": "refused"}).encode()
        self._send(status, body, "application/x-amz-json-1.0")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(calculator: Calculator) -> Iterator[Calculator]:
    """The service while the block runs."""
    thread = threading.Thread(target=calculator.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield calculator
    finally:
        calculator.ended.set()
        calculator.shutdown()
        calculator.server_close()
        thread.join()
