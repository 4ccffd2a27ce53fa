"""IAM of the embedded AWS: ministack decides, from the actions and resources of `iam_needs`.

`Authorization` installs those in ministack (`install_*`), rejects operations for which the caller lacks a dependent
action (`guard`), and answers two questions of our own services: may this request do that (`denial_of`), may this role
(`role_may`).
"""

from __future__ import annotations

import json
from contextvars import copy_context
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from whatschat_ops.handlers.partitions import partition_of
from whatschat_ops.local.cloudtrail.recorder import Caller
from whatschat_ops.local.control import denials
from whatschat_ops.local.control.caller import comes_from_network
from whatschat_ops.local.control.iam_needs import (
    Need,
    SignedCall,
    corrected_action,
    corrected_resource,
    dependent_needs,
    without_action,
)
from whatschat_ops.local.control.modules import Modules
from whatschat_ops.local.control.wire import Handler, Response
from whatschat_ops.local.interfaces import Denial, HttpRequest
from whatschat_ops.local.layout import ACCOUNT_ID

FUNCTION_SEGMENTS = 3
"""The path of GetFunction: date, `functions`, name."""
HTTP_OK = 200
USERNAME = "${aws:username}"


def resolved(policies: list[list[Any]], user: str) -> list[list[Any]]:
    """ministack's parsed statements with the policy variable of a user's name replaced by it."""
    return [
        [
            replace(statement, resources=[item.replace(USERNAME, user) for item in statement.resources])
            if any(USERNAME in item for item in statement.resources or ())
            else statement
            for statement in policy
        ]
        for policy in policies
    ]


def in_partition(arn: str, region: str) -> str:
    """An ARN of ministack, which knows the partition `aws` only, as AWS has it in the Region.

    >>> in_partition("arn:aws:s3:::bucket/key", "cn-north-1")
    'arn:aws-cn:s3:::bucket/key'
    """
    rest = arn.removeprefix("arn:aws:")
    return arn if rest == arn else f"arn:{partition_of(region).name}:{rest}"


class UnreadableRequest(Exception):
    """A JSON request whose resource cannot be read, because a value of it has another type than the service has."""


class Authorization:
    """IAM of the embedded AWS."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    # Corrections

    def install_needs(self) -> None:
        """Replace the functions that find the action and the resource of a request."""
        iam_actions = self._modules.iam_actions
        extract_action, extract_resource = iam_actions.extract_iam_action, iam_actions.extract_resource_arn

        def action_of(*request: Any) -> Any:
            call = without_action(SignedCall(*request))
            found = call.service, call.method, call.path, call.headers, call.body, call.query
            return corrected_action(call) or extract_action(*found)

        def resource_of(*request: Any) -> Any:
            *call, region, account_id = request
            try:
                found = corrected_resource(
                    SignedCall(*call), region, account_id, lambda *named: self._arn(account_id, *named)
                )
                return in_partition(found or extract_resource(*request), region)
            except (AttributeError, KeyError, TypeError) as error:  # a name that is no text
                raise UnreadableRequest from error

        iam_actions.extract_iam_action, iam_actions.extract_resource_arn = action_of, resource_of

    def install_policy_variables(self) -> None:
        """Evaluate the policies of a user with the user's name in them."""
        iam_evaluator = self._modules.iam_evaluator
        evaluate = iam_evaluator.evaluate

        def evaluate_for_user(context: Any, policies: Any, *limits: Any) -> Any:
            user = context.principal_arn.rpartition("/")[2] if ":user/" in context.principal_arn else None
            return evaluate(context, resolved(policies, user) if user else policies, *limits)

        iam_evaluator.evaluate = evaluate_for_user

    def guard(self, service: str, handler: Handler) -> Handler:
        """The handler of a service, with the check of dependent actions. ministack has authorized the operation
        itself.
        """

        async def handle(*request: Any) -> Any:
            call = SignedCall(service, *request)
            refused = self._refusal(call)
            return refused if refused is not None else self._visible(call, await handler(*request))

        return handle

    def _refusal(self, call: SignedCall) -> Any:
        """ministack's response to a caller who lacks a dependent action, or None."""
        if not dependent_needs(call, ""):
            return None
        for need in dependent_needs(call, self._resource(call)):
            denied = self._denial(call, need)
            if denied is not None:
                return self._modules.iam_actions.access_denied_response(
                    call.service,
                    need.action,
                    denied.principal_arn,
                    "",
                    headers=call.headers,
                    resource_arn=need.resource_arn,
                    explicit_deny=denied.decision == "Deny",
                )
        return None

    def _visible(self, call: SignedCall, response: Response) -> Response:
        """The response without what its caller may not see."""
        if call.service != "lambda" or call.method != "GET" or len(call.segments) != FUNCTION_SEGMENTS:
            return response
        status, headers, body = response
        answer = json.loads(body) if status == HTTP_OK else {}
        if "Tags" not in answer or self._denial(call, Need("lambda:ListTags", self._resource(call))) is None:
            return response
        del answer["Tags"]
        answer["TagsError"] = {
            "ErrorCode": "AccessDeniedException",
            "Message": "You are not authorized to perform: lambda:ListTags",
        }
        return status, headers, json.dumps(answer).encode()

    def _denial(self, call: SignedCall, need: Need) -> Any:
        """Why ministack denies an action to the caller; None when it does not, or when the call comes from inside."""
        key = self._modules.router.extract_access_key_id(call.headers, call.query)
        if not key or key.isdecimal():
            return None
        region = self._modules.responses.get_region()
        return self._modules.iam_evaluator.enforce(
            key,
            need.action,
            call.service,
            region,
            resource_arn=need.resource_arn,
            service_context=dict(need.context),
        )

    def _resource(self, call: SignedCall) -> str:
        responses = self._modules.responses
        found: str = self._modules.iam_actions.extract_resource_arn(
            call.service,
            call.method,
            call.path,
            call.headers,
            call.body,
            call.query,
            responses.get_region(),
            responses.get_account_id(),
        )
        return found

    def _arn(self, account_id: str, kind: str, name: str) -> str | None:
        iam = self._modules.iam
        store = {"role": iam._roles, "user": iam._users, "group": iam._groups}[kind]
        record = store.get_scoped(account_id, None, name)
        return str(record["Arn"]) if record else None

    # Questions of our own services

    def role_may(self, role_arn: str, action: str, resource_arn: str, region: str | None = None) -> bool:
        """Whether the policies of the role allow it, for a service that acts with the role."""
        iam_evaluator, responses = self._modules.iam_evaluator, self._modules.responses
        region = region or responses.get_region()
        context = iam_evaluator.EvalContext(
            principal_arn=role_arn,
            principal_type="AssumedRole",
            principal_account=ACCOUNT_ID,
            action=action,
            resource_arn=in_partition(resource_arn, region),
            region=region,
        )
        with responses.request_scope(ACCOUNT_ID, region):
            policies = iam_evaluator._gather_role_policies(role_arn.rpartition("/")[2], ACCOUNT_ID)
            return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")

    def caller_of(self, access_key_id: str) -> Caller | None:
        """The user or the session of a role that an access key belongs to, or None."""
        iam_evaluator = self._modules.iam_evaluator
        found = iam_evaluator.resolve_credential(access_key_id, ACCOUNT_ID)
        if isinstance(found, iam_evaluator.CredentialResolutionError):
            return None
        return Caller(access_key_id, str(found.principal_arn))

    def service_may(self, service: str, role_arn: str, action: str, resource_arn: str) -> bool:
        """Whether the service may assume the role, and the role may do it."""
        role = self._modules.iam._roles.get_scoped(ACCOUNT_ID, None, role_arn.rpartition("/")[2]) or {}
        trust = self._modules.iam_evaluator.parse_policy_document(role.get("AssumeRolePolicyDocument"))
        if not trust:
            return False
        statements = json.loads(role["AssumeRolePolicyDocument"])["Statement"]
        trusts = self._modules.iam_evaluator._service_principal_matches
        trusted = any(
            statement.get("Effect") == "Allow" and trusts(statement.get("Principal"), service)
            for statement in ([statements] if isinstance(statements, dict) else statements)
        )
        return trusted and self.role_may(role_arn, action, resource_arn)

    def policy_decision(self, document: object, action: str, resource_arn: str, source_ip: str) -> str | None:
        """What an IAM policy says: Allow, Deny (explicitly) or ImplicitDeny. None: it is not a policy."""
        iam_evaluator = self._modules.iam_evaluator
        if not isinstance(document, dict) or iam_evaluator.validate_policy_document(document):
            return None
        context = iam_evaluator.EvalContext(
            principal_arn="*",
            principal_type="User",
            principal_account=ACCOUNT_ID,
            action=action,
            resource_arn=resource_arn,
            region=self._modules.responses.get_region(),
            source_ip=source_ip,
        )
        return str(iam_evaluator.evaluate(context, [iam_evaluator.parse_policy_document(document)]).decision)

    def caller_identity(self, request: HttpRequest) -> dict[str, str]:
        """The sender of a request whose signature has been checked; the names are those of `$context.identity`."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        query = parse_qs(request.query_string, keep_blank_values=True)
        key = self._modules.router.extract_access_key_id(headers, query)
        with self._modules.responses.request_scope(ACCOUNT_ID, self._modules.responses.get_region()):
            found = self._modules.iam_evaluator.resolve_caller_identity(key)
        if found is None:
            return {}
        caller = str(found["userId"])
        return {
            "accountId": str(found["accountId"]),
            "caller": caller,
            "user": caller,
            "userArn": str(found["userArn"]),
        }

    def denial_of(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        """Check the SigV4 signature and the caller's IAM policies; None means allowed."""
        # In a context of its own: ministack keeps the request that it works on in context variables.
        return copy_context().run(self._denial_of, request, service, action, resource_arn)

    def _denial_of(self, request: HttpRequest, service: str, action: str, resource_arn: str) -> Denial | None:
        iam_evaluator, responses, router = (
            self._modules.iam_evaluator,
            self._modules.responses,
            self._modules.router,
        )
        headers = {
            name.decode("latin-1"): self._modules.sigv4.decode_header_value(value)
            for name, value in request.headers
        }
        query = parse_qs(request.query_string, keep_blank_values=True)
        key = router.extract_access_key_id(headers, query)
        comes_from_network(may_be_anonymous=False)
        if wrong_scope := denials.wrong_scope(headers.get("authorization", ""), service):
            return wrong_scope
        try:
            responses.set_request_account_id(iam_evaluator.find_iam_access_key_account(key) or key)
        except iam_evaluator.AmbiguousAccessKeyError:
            return denials.UNKNOWN_KEY
        region = router.extract_region(headers, query)
        responses.set_request_region(region)
        iam_evaluator.pin_request_origin(request.client_host, False)
        iam_evaluator.pin_signed_request(request.method, request.raw_path, query, list(request.headers))
        iam_evaluator.pin_signed_body(request.body)
        denied = iam_evaluator.enforce(key, action, service, region, resource_arn=resource_arn)
        if denied is None:
            return None
        if isinstance(denied, iam_evaluator.AuthError):
            return denials.failed_authentication(denied.code, denied.message)
        return denials.denied_by_policy(
            action, denied.principal_arn, resource_arn, explicitly=denied.decision == "Deny"
        )
