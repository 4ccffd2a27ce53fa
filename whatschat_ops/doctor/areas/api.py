"""The WebSocket API: its address, and everything between a client and the functions."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from whatschat_ops.config.names import ROUTE_FUNCTIONS
from whatschat_ops.doctor.areas.functions import DEPLOYED
from whatschat_ops.doctor.areas.stack import THERE
from whatschat_ops.doctor.check import Check, Finding, fail, ok, skip, warn
from whatschat_ops.doctor.drift import drift_check
from whatschat_ops.doctor.facts import Facts
from whatschat_ops.endpoint import Endpoint, EndpointKind, normalise
from whatschat_ops.errors import Hint, NotFound
from whatschat_ops.network import proxy_for, tls_context

API: Final = "WS001"
ENDPOINT: Final = "WS002"
DNS: Final = "WS003"
TLS: Final = "WS004"
STAGE: Final = "WS005"
DOMAIN: Final = "WS006"
ROUTES: Final = "WS007"
INTEGRATIONS: Final = "WS008"
DEPLOYMENT: Final = "WS009"
EXPLAIN: Final = Hint(("ws", "endpoint", "--explain"))
CONNECT_TIMEOUT_S: Final = 5.0


def api_id(facts: Facts) -> str:
    """The id of the stack's own API, "" when there is none."""
    found = facts.resource("api.websocket")
    return (found.id or "") if found else ""


def _api(facts: Facts) -> Mapping[str, Any]:
    apis = facts.pages("apigatewayv2", "get_apis", "Items")
    return next((each for each in apis if each["ApiId"] == api_id(facts)), {})


def _endpoint(facts: Facts) -> Endpoint:
    return normalise(facts.outputs.websocket_url, stage=facts.settings.websocket.stage)


def endpoint_form(facts: Facts) -> Finding:
    """`websocket.endpoint`, when it is set, leads to the stack's own API and stage."""
    named, own = _endpoint(facts), api_id(facts)
    if not facts.settings.websocket.endpoint or named.kind is EndpointKind.CUSTOM_DOMAIN:
        return ok(f"The endpoint is {named.websocket_url}.")
    evidence = f"websocket.endpoint = {named.websocket_url}; GetApis: ApiId {own}"
    if named.api_id != own:
        return fail(
            f"websocket.endpoint names the API {named.api_id}; the stack's is {own}.",
            Hint(text="Remove websocket.endpoint (WEBSOCKET_API_ENDPOINT), or name the stack's own"),
            evidence,
        )
    if named.stage != facts.settings.websocket.stage:
        return fail(
            f"websocket.endpoint names the stage {named.stage}; the stack's is {facts.settings.websocket.stage}.",
            EXPLAIN,
            evidence,
        )
    return ok(f"{named.websocket_url} is the stack's own API.")


def _host(facts: Facts) -> tuple[str, int]:
    parts = urlsplit(facts.outputs.websocket_url)
    return str(parts.hostname), parts.port or (443 if parts.scheme == "wss" else 80)


def dns(facts: Facts) -> Finding:
    """The endpoint's host has an address."""
    host, _ = _host(facts)
    if proxy_for(facts.outputs.websocket_url):
        return skip(f"{host} is resolved by the proxy.")
    found = facts.observe("addresses", list[str], lambda: _addresses(host))
    if found:
        return ok(f"{host} is {found[0]}.")
    return fail(f"The host {host} is not found.", Hint(("ws", "endpoint"), "Compare it with"), f"DNS: {host}")


def _addresses(host: str) -> list[str]:
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None)})
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class Reached:
    """How a connection to the endpoint ended: the TLS version ("" without TLS), or the error."""

    tls: str = ""
    error: str = ""


def tls(facts: Facts) -> Finding:
    """The endpoint's port takes connections, and its certificate is trusted."""
    host, port = _host(facts)
    if proxy_for(facts.outputs.websocket_url):
        return skip(f"{host}:{port} is reached through the proxy.")
    encrypted = facts.outputs.websocket_url.startswith("wss:")
    found = facts.observe("reached", Reached, lambda: _reached(host, port, encrypted=encrypted))
    if not found.error:
        return ok(f"{host}:{port} answers{f' with {found.tls}' if found.tls else ', without TLS'}.")
    return fail(
        f"{host}:{port} cannot be reached: {found.error}.",
        "Check the network and its firewall; for a CA of your own set AWS_CA_BUNDLE.",
        f"TLS: {found.error}",
    )


def _reached(host: str, port: int, *, encrypted: bool) -> Reached:
    try:
        with socket.create_connection((host, port), CONNECT_TIMEOUT_S) as plain:
            if not encrypted:
                return Reached()
            context = tls_context() or ssl.create_default_context()
            with context.wrap_socket(plain, server_hostname=host) as secured:
                return Reached(secured.version() or "TLS")
    except OSError as error:
        return Reached(error=getattr(error, "verify_message", "") or str(error) or type(error).__name__)


def domain(facts: Facts) -> Finding:
    """A custom domain leads to the stack's API and stage."""
    named = _endpoint(facts)
    if named.kind is not EndpointKind.CUSTOM_DOMAIN:
        return ok("The endpoint is no custom domain.")
    parts = urlsplit(named.websocket_url)
    key = parts.path.strip("/")
    try:
        mappings = facts.call("apigatewayv2", "get_api_mappings", DomainName=parts.hostname)["Items"]
    except NotFound:
        return warn(
            f"{parts.hostname} is no custom domain of API Gateway in this account: where it leads is not known.",
            EXPLAIN,
        )
    found = next((each for each in mappings if each.get("ApiMappingKey", "") == key), None)
    wanted = (api_id(facts), facts.settings.websocket.stage)
    if found is not None and (found["ApiId"], found["Stage"]) == wanted:
        return ok(f"{parts.hostname}/{key} leads to the stack's API.")
    seen = f"{found['ApiId']}/{found['Stage']}" if found else "nothing"
    return fail(
        f"{parts.hostname}/{key} leads to {seen}, not to {'/'.join(wanted)}.",
        f"aws apigatewayv2 create-api-mapping --domain-name {parts.hostname} --api-id {wanted[0]} --stage {wanted[1]}",
        f"GetApiMappings: {key!r} -> {seen}",
    )


def default_endpoint(facts: Facts) -> Finding:
    """The execute-api endpoint, which the functions and clients use, is not switched off."""
    if not _api(facts).get("DisableExecuteApiEndpoint"):
        return ok("The API's own endpoint is open.")
    if _endpoint(facts).kind is EndpointKind.CUSTOM_DOMAIN:
        return ok("The API's own endpoint is off; clients use the custom domain.")
    return fail(
        "The API's own endpoint is switched off, and no custom domain is set.",
        f"aws apigatewayv2 update-api --api-id {api_id(facts)} --no-disable-execute-api-endpoint "
        f"--region {facts.aws.region}",
        "GetApis: DisableExecuteApiEndpoint = True",
    )


CHECKS: Final = (
    drift_check(
        API,
        "websocket.api",
        "Does the WebSocket API exist?",
        ("api.*",),
        "The API is there, with its tag.",
        "The API is not as the settings want it",
        THERE,
        "The API was deleted, or another was made in its place. Its address changes when it is made again: clients need the new one.",
    ),
    Check(
        ENDPOINT,
        "websocket.endpoint-form",
        "Is the endpoint that of the stack?",
        endpoint_form,
        (API,),
        actions=("apigateway:GET",),
        meaning="`websocket.endpoint` names an API or stage of another stack, or one that was deleted.",
        fix=EXPLAIN,
    ),
    Check(
        DNS,
        "websocket.dns",
        "Is the endpoint's host found?",
        dns,
        (API, ENDPOINT),
        meaning="The host has no address: misspelt, deleted, or this machine's DNS does not answer.",
        fix=Hint(("ws", "endpoint")),
    ),
    Check(
        TLS,
        "websocket.tls",
        "Is the endpoint reached and its certificate trusted?",
        tls,
        (DNS,),
        meaning="A firewall, a proxy that opens TLS, or a custom domain whose certificate is not for this name.",
        fix=Hint(text="Set AWS_CA_BUNDLE, or HTTPS_PROXY"),
    ),
    drift_check(
        STAGE,
        "websocket.stage",
        "Does the stage exist?",
        ("stage.*:",),
        "The stage is there.",
        "The stage is missing: every handshake is answered with 403",
        (API,),
        "The stage was deleted, or `websocket.stage` names another.",
    ),
    Check(
        DOMAIN,
        "websocket.domain",
        "Does the custom domain lead to the API?",
        domain,
        (API, ENDPOINT, STAGE),
        actions=("apigateway:GET",),
        meaning="The mapping of the custom domain is missing, or of another API or stage.",
        fix=Hint(text="aws apigatewayv2 create-api-mapping"),
    ),
    drift_check(
        INTEGRATIONS,
        "websocket.integrations",
        "Does each integration call its function's alias?",
        ("integration.*",),
        "Each integration calls its function's alias, with the time-out that is set.",
        "Integrations are not as they should be",
        (API, DEPLOYED),
        "An integration was deleted, calls another function or version, or waits for another time.",
    ),
    drift_check(
        ROUTES,
        "websocket.routes",
        "Does each route lead to its function?",
        ("route.*",),
        f"{', '.join(ROUTE_FUNCTIONS)} lead to their functions.",
        "Routes are not as they should be",
        (API, INTEGRATIONS),
        "A route was deleted, leads to the integration of another, or asks for an authorizer.",
    ),
    drift_check(
        DEPLOYMENT,
        "websocket.deployment",
        "Is the last change of the routes live?",
        ("deployment.*:", "deployment.*:content", "stage.*:deployment_id"),
        "The stage shows the newest deployment.",
        "The stage does not show the newest deployment",
        (API, STAGE, INTEGRATIONS, ROUTES),
        "Routes or integrations were changed without a new deployment, or the stage was moved to an older one: clients see the old routes.",
    ),
    drift_check(
        "WS055",
        "websocket.permissions",
        "May each route invoke its function?",
        ("permission.*",),
        f"API Gateway may invoke {len(ROUTE_FUNCTIONS)} functions.",
        "API Gateway may not invoke its functions",
        (API, DEPLOYED),
        "A function's resource policy lacks the statement for this API, stage and route: handshakes end with 500.",
    ),
    Check(
        "WS054",
        "websocket.default-endpoint",
        "Is the API's own endpoint open?",
        default_endpoint,
        (API,),
        actions=("apigateway:GET",),
        meaning="`DisableExecuteApiEndpoint` is set without a custom domain: every handshake is answered with 403.",
        fix=Hint(text="aws apigatewayv2 update-api --no-disable-execute-api-endpoint"),
    ),
)
