"""What Cognito's identity pools require before they give credentials, which ministack gives to any identity.

Unauthenticated identities need a pool that allows them; an identity must exist; and the pool's role for it must exist
and trust cognito-identity.amazonaws.com for this pool.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Final

from whatschat_ops.local.control.correction import Correction, wrap_handler
from whatschat_ops.local.control.modules import Modules, require_names
from whatschat_ops.local.control.request_checks import Refusal, json_error
from whatschat_ops.local.control.wire import Handler, Response, operation

PROVIDER: Final = "cognito-identity.amazonaws.com"
READS: Final = ("cognito._identity_pools",)
"""Names of ministack's module that are read; checked when it is imported."""
_NEEDS_IDENTITY: Final = ("GetCredentialsForIdentity", "GetOpenIdToken")

TrustOf = Callable[[str], Any]
"""ARN of a role -> its trust policy, as text or as an object; None if there is no such role."""


def refusal(
    name: str | None, request: Mapping[str, Any], pools: Mapping[str, Mapping[str, Any]], trust_of: TrustOf
) -> Refusal | None:
    """AWS's error type and message for one of the unsigned operations, or None. `pools` are ministack's, by id."""
    logins = request.get("Logins")
    if name == "GetId":
        pool = pools.get(str(request.get("IdentityPoolId")))
        return None if logins or pool is None else _refused_guest(pool)
    if name not in _NEEDS_IDENTITY:
        return None
    identity_id = str(request.get("IdentityId"))
    pool = next((pool for pool in pools.values() if identity_id in pool["_identities"]), None)
    if pool is None:
        return "ResourceNotFoundException", f"Identity '{identity_id}' not found."
    is_guest = not logins and not pool["_identities"][identity_id].get("Logins")
    if is_guest and (refused := _refused_guest(pool)):
        return refused
    flavor = "unauthenticated" if is_guest else "authenticated"
    role = (pool.get("_roles") or {}).get(flavor)
    if name == "GetCredentialsForIdentity" and not (
        role and _trusts(trust_of(role), str(pool["IdentityPoolId"]), flavor)
    ):
        message = "Invalid identity pool configuration. Check assigned IAM roles for this pool."
        return "InvalidIdentityPoolConfigurationException", message
    return None


def _refused_guest(pool: Mapping[str, Any]) -> Refusal | None:
    if pool.get("AllowUnauthenticatedIdentities"):
        return None
    return "NotAuthorizedException", "Unauthenticated access is not supported for this identity pool."


def _trusts(policy: Any, pool_id: str, flavor: str) -> bool:
    document = json.loads(policy) if isinstance(policy, str) else policy or {}
    return any(
        statement.get("Effect") == "Allow"
        and PROVIDER in _listed((statement.get("Principal") or {}).get("Federated"))
        and "sts:AssumeRoleWithWebIdentity" in _listed(statement.get("Action"))
        and _holds(statement.get("Condition") or {}, {f"{PROVIDER}:aud": pool_id, f"{PROVIDER}:amr": flavor})
        for statement in _listed(document.get("Statement"))
    )


def _holds(conditions: Mapping[str, Mapping[str, Any]], values: Mapping[str, str]) -> bool:
    """Conditions on other keys are not evaluated."""
    return all(
        values[key] in _listed(expected)
        for block in conditions.values()
        for key, expected in block.items()
        if key in values
    )


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _install(modules: Modules) -> None:
    def trust_of(role_arn: str) -> Any:
        account = modules.responses.get_account_id()
        role = modules.iam._roles.get_scoped(account, None, role_arn.rpartition("/")[2])
        return role and role.get("AssumeRolePolicyDocument")

    def wrap(handler: Handler) -> Handler:
        async def handle(method: str, path: str, headers: Any, body: bytes, query: Any) -> Response:
            from ministack.services import cognito

            require_names(SimpleNamespace(cognito=cognito), READS)
            try:
                request = json.loads(body or b"{}")
            except (ValueError, RecursionError):
                request = {}
            name, pools = operation(path, headers, body), dict(cognito._identity_pools.items())
            if isinstance(request, dict) and (refused := refusal(name, request, pools, trust_of)):
                return json_error(*refused)
            response: Response = await handler(method, path, headers, body, query)
            return response

        return handle

    wrap_handler(modules, "cognito-identity", wrap)


IDENTITY_POOLS: Final = (
    Correction(
        what="Cognito gives credentials to identities that do not exist, to guests of pools that allow none, and without a role",
        why="ResourceNotFoundException, NotAuthorizedException, InvalidIdentityPoolConfigurationException",
        source="Cognito Federated Identities API Reference, GetId, GetCredentialsForIdentity",
        replaces=("app.SERVICE_HANDLERS[cognito-identity]",),
        apply=lambda modules, _: _install(modules),
    ),
)
