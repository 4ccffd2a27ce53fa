"""An unsigned request for every operation of every service that ministack serves, from botocore's models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from whatschat_ops.local.interfaces import HttpRequest

MAX_DEPTH: Final = 4
NAMED: Final = {"Bucket": "unsigned-private", "Key": "key"}
"""Values of members of this name: a bucket and an object that exist."""


@dataclass(frozen=True)
class UnsignedRequest:
    """One operation as an SDK would send it, but for its signature."""

    service: str
    operation: str
    is_served_unsigned: bool
    """The model says so: `authtype` is `none`."""
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def received(self) -> HttpRequest:
        """The request as the router has it."""
        headers = {**self.headers, "content-length": str(len(self.body))}
        sent = tuple((name.lower().encode(), value.encode("utf-8")) for name, value in headers.items())
        return HttpRequest(self.method, self.path, self.query, sent, self.body, "127.0.0.1")


def unsigned_requests(served: frozenset[str]) -> Iterator[UnsignedRequest]:
    """`served`: names of services as in credential scopes or host names."""
    from botocore import session
    from botocore.serialize import create_serializer

    loaded = session.get_session()
    for name in loaded.get_available_services():
        if name not in served and not served & set(_names(loaded, name)):
            continue
        model = loaded.get_service_model(name)
        serializer = create_serializer(model.metadata["protocol"], include_validation=False)
        for operation in map(model.operation_model, model.operation_names):
            parameters = _sample(operation.input_shape) if operation.input_shape else {}
            built = serializer.serialize_to_request(parameters, operation)
            yield _request(name, operation, model.endpoint_prefix, built)


def _names(loaded: Any, name: str) -> tuple[str, str]:
    metadata = loaded.get_service_data(name)["metadata"]
    return metadata["endpointPrefix"], metadata.get("signingName", "")


def _request(service: str, operation: Any, host: str, built: dict[str, Any]) -> UnsignedRequest:
    path, _, fixed = built["url_path"].partition("?")
    query = urlencode(built["query_string"], doseq=True)
    headers = {name: str(value) for name, value in built["headers"].items()}
    body = built["body"]
    if isinstance(body, dict):
        body = urlencode(body).encode()
    elif isinstance(body, str):
        body = body.encode()
    return UnsignedRequest(
        service=service,
        operation=operation.name,
        is_served_unsigned=operation.auth_type == "none" or operation.auth == ["smithy.api#noAuth"],
        method=built["method"],
        path=quote(path, safe="/%~-._:+"),
        query="&".join(filter(None, (fixed, query))),
        headers={**headers, "host": f"{host}.us-east-1.amazonaws.com"},
        body=bytes(body or b""),
    )


def _sample(shape: Any, depth: int = 0, name: str = "") -> Any:
    """A value of the shape with its required members."""
    if depth > MAX_DEPTH:
        return {} if shape.type_name in ("structure", "map") else []
    match shape.type_name:
        case "structure":
            members = ((name, shape.members[name]) for name in shape.required_members)
            return {name: _sample(member, depth + 1, name) for name, member in members}
        case "list":
            return [_sample(shape.member, depth + 1)]
        case "map":
            return {"name": _sample(shape.value, depth + 1)}
        case "blob":
            return b"x"
        case "timestamp":
            return "2026-01-01T00:00:00Z"
        case "integer" | "long" | "float" | "double":
            return 1
        case "boolean":
            return True
    return (
        NAMED.get(name) or (getattr(shape, "enum", None) or ["a" * max(1, shape.metadata.get("min", 1))])[0]
    )
