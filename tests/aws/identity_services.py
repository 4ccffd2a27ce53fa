"""A stand-in for STS, the portal of IAM Identity Center (SSO) and its OIDC service, on loopback.

The answers are those of the services' models in botocore (sts: query protocol; sso, sso-oidc: REST and JSON). Every other
request gets what DynamoDB, Lambda and the others say to keys that they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

GOOD_CODE = "654098"
ROLE_KEYS = "ASIAROLE"


@dataclass
class IdentityServices:
    """`asked` lists the operations, in the order in which they were asked for."""

    url: str
    asked: list[str] = field(default_factory=list)

    def count(self, operation: str) -> int:
        """How often an operation was asked for."""
        return self.asked.count(operation)


def _error(code: str, message: str) -> str:
    return f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"


def _assumed(action: str) -> str:
    return (
        f"<{action}Response><{action}Result><Credentials><AccessKeyId>{ROLE_KEYS}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
        "<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/dev/me</Arn></AssumedRoleUser>"
        f"</{action}Result></{action}Response>"
    )


_IDENTITY = (
    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/dev/me</Arn>"
    "<UserId>A</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


def sts(form: dict[str, str], key: str) -> tuple[int, str]:
    """Status and body for a request to STS, signed with the access key `key`."""
    action = form["Action"]
    if key.startswith("AKIAWRONG"):
        return 403, _error("InvalidClientTokenId", "The security token included in the request is invalid.")
    if action == "GetCallerIdentity":
        return 200, _IDENTITY
    if "denied" in form["RoleArn"]:
        who = "User: arn:aws:iam::123456789012:user/me is not authorized to perform: sts:AssumeRole"
        return 403, _error("AccessDenied", f"{who} on resource: {form['RoleArn']}")
    if form.get("WebIdentityToken", "").strip() == "expired":
        return 400, _error(
            "ExpiredTokenException", "Token expired: current date/time must be before the expiration"
        )
    if "SerialNumber" in form and form["TokenCode"] != GOOD_CODE:
        return 403, _error(
            "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."
        )
    return 200, _assumed(action)


def portal(role: str, token: str) -> tuple[int, dict[str, object]]:
    """Status and body of GetRoleCredentials."""
    if token != "good":
        return 401, {"__type": "UnauthorizedException", "message": "Session token not found or invalid"}
    if role == "forbidden":
        return 403, {"__type": "ForbiddenException", "message": "No access"}
    keys = {
        "accessKeyId": ROLE_KEYS,
        "secretAccessKey": "s",
        "sessionToken": "t",
        "expiration": 4070908800000,
    }
    return 200, {"roleCredentials": keys}


@contextmanager
def identity_services() -> Iterator[IdentityServices]:
    """The stand-in on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            services.asked.append("GetRoleCredentials")
            role = parse_qs(parts.query).get("role_name", [""])[0]
            status, document = portal(role, self.headers.get("x-amz-sso_bearer_token", ""))
            self._answer(status, json.dumps(document))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            if self.path == "/token":
                services.asked.append("CreateToken")
                self._answer(
                    400, json.dumps({"error": "invalid_grant", "error_description": "Invalid grant"})
                )
            elif "Action" in form:
                services.asked.append(form["Action"])
                key = self.headers.get("Authorization", "").partition("Credential=")[2]
                self._answer(*sts(form, key))
            else:
                services.asked.append(self.headers.get("X-Amz-Target", self.path))
                unknown = {
                    "__type": "UnrecognizedClientException",
                    "message": "The security token is invalid.",
                }
                self._answer(400, json.dumps(unknown))

        def _answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """No access log."""

    with serving(Handler) as url:
        services = IdentityServices(url)
        yield services


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """An HTTP server on a free port; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
