"""Where ministack differs from AWS, or from what a service on the user's machine needs: one table, applied at the
start.

Each row has what ministack does, why that is corrected, where AWS documents it, and the names in ministack that are
replaced. `install` first checks that the installed ministack has them all: another version is rejected with a list of
the missing ones instead of failing later. docs/embedded-aws.md has the table; `python docs/generate.py` writes it
there.

The rows of a service that has many are in a module of their own. The rows are applied in order. Of those that wrap the
handler of a service, a later one is closer to the caller.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from whatschat_ops.local.clock import TimeModule
from whatschat_ops.local.control import (
    caller,
    cloudformation,
    request_types,
    simulation,
    tag_collectors,
)
from whatschat_ops.local.control.correction import Correction, Parts, wrap_handler
from whatschat_ops.local.control.corrections_apigateway import APIGATEWAY
from whatschat_ops.local.control.corrections_checks import CHECKS
from whatschat_ops.local.control.corrections_cloudwatch import CLOUDWATCH
from whatschat_ops.local.control.corrections_events import EVENTS
from whatschat_ops.local.control.corrections_lambda import LAMBDA
from whatschat_ops.local.control.corrections_logs import LOGS
from whatschat_ops.local.control.corrections_s3 import S3
from whatschat_ops.local.control.corrections_services import SERVICES
from whatschat_ops.local.control.dynamodb_scan import SCANS
from whatschat_ops.local.control.identity_pools import IDENTITY_POOLS
from whatschat_ops.local.control.modules import READS, Modules, require_names
from whatschat_ops.local.control.policy_documents import POLICY_DOCUMENTS
from whatschat_ops.local.control.step_functions import StepFunctions
from whatschat_ops.local.control.update_operands import UPDATE_OPERANDS
from whatschat_ops.local.control.wire import QUERY_SERVICES, Handler, Response, one_operation

MIN_UNRESERVED_CONCURRENCY: Final = 100
"""What Lambda keeps for functions without reserved concurrency (Lambda guide, configuration-concurrency)."""


def install(modules: Modules, parts: Parts) -> None:
    """Apply the table. Raises LocalError, listing every missing name, before anything is changed."""
    require_names(modules, (*READS, *(name for row in CORRECTIONS for name in row.replaces)))
    for row in CORRECTIONS:
        row.apply(modules, parts)


def _wrap_all(modules: Modules, wrap: Callable[[str, Handler], Handler]) -> None:
    for service in list(modules.app.SERVICE_HANDLERS):
        wrap_handler(modules, service, lambda handler, service=service: wrap(service, handler))  # type: ignore[misc]


def _complete_cloudformation(modules: Modules, parts: Parts) -> None:
    apigateway, dynamodb, lambda_svc = modules.apigateway, modules.dynamodb, modules.lambda_svc
    wrap_handler(
        modules,
        "cloudformation",
        lambda handler: cloudformation.completed(handler, apigateway, dynamodb, lambda_svc, parts.port),
    )


def _correct_step_functions(modules: Modules, parts: Parts) -> None:
    machines = StepFunctions(
        modules.stepfunctions,
        parts.authorization.role_may,
        parts.telemetry.add_point,
        parts.step_functions_lag_s,
    )
    machines.install()
    modules.tagging._COLLECTORS["states"] = machines.tagged
    wrap_handler(modules, "states", machines.completed)


def _count_equal_values(modules: Modules, parts: Parts) -> None:
    modules.cloudwatch.record_metric = parts.telemetry.add_point


def _run_no_scripts(modules: Modules, _: Parts) -> None:
    modules.app._collect_scripts = lambda *_: []


def _secure_loopback(iam_evaluator: Any) -> None:
    resolve = iam_evaluator._resolve_condition_key

    def resolve_condition_key(key: str, context: Any) -> Any:
        return "true" if key.lower() == "aws:securetransport" else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_condition_key


def _agree_with_quotas(modules: Modules, parts: Parts) -> None:
    lambda_svc, responses = modules.lambda_svc, modules.responses
    settings, put_concurrency = lambda_svc._get_account_settings, lambda_svc._put_function_concurrency

    def quota_and_reserved(but: str = "") -> tuple[int, int]:
        others = (each for name, each in lambda_svc._functions.items() if name != but)
        quota: int = parts.quotas.concurrent_executions(responses.get_region())
        return quota, sum(int(each.get("concurrency") or 0) for each in others)

    def get_account_settings() -> Response:
        document = json.loads(settings()[2])
        quota, reserved = quota_and_reserved()
        limits = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": quota - reserved}
        document["AccountLimit"] |= limits
        answer: Response = lambda_svc.json_response(document)
        return answer

    def put_function_concurrency(name: str, data: dict[str, Any]) -> Response:
        quota, reserved = quota_and_reserved(but=name)
        least, wanted = min(MIN_UNRESERVED_CONCURRENCY, quota), data.get("ReservedConcurrentExecutions") or 0
        if wanted and quota - reserved - wanted < least:
            text = (
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{least}]."
            )
            refused: Response = lambda_svc.error_response_json("InvalidParameterValueException", text, 400)
            return refused
        answer: Response = put_concurrency(name, data)
        return answer

    lambda_svc._get_account_settings = get_account_settings
    lambda_svc._put_function_concurrency = put_function_concurrency


def _move_clocks(modules: Modules, parts: Parts) -> None:
    modules.cloudwatch.time = modules.cloudwatch_logs.time = TimeModule(parts.clock)


def _require_one_operation(modules: Modules, _: Parts) -> None:
    _wrap_all(
        modules, lambda name, handler: one_operation(name, handler) if name in QUERY_SERVICES else handler
    )


def _name_wrong_types(modules: Modules, _: Parts) -> None:
    _wrap_all(
        modules,
        lambda name, handler: (
            request_types.naming_wrong_types(name, handler) if name in request_types.SERVICES else handler
        ),
    )


def _note_changes(modules: Modules, parts: Parts) -> None:
    _wrap_all(modules, lambda service, handler: parts.state.noted(service, handler, parts.changed))


CORRECTIONS: Final = (
    *SERVICES,
    Correction(
        what="accepts the access key `test`, every 12-digit number and, for example, a bearer token as the root of the account, without checking a signature",
        why="unknown keys for every service; root is accepted only from inside the process",
        source="IAM User Guide, AWS Signature Version 4",
        replaces=("iam_evaluator.is_root_access_key", "sts.is_root_access_key"),
        apply=lambda modules, _: caller.install_root_keys(modules.iam_evaluator, modules.sts),
    ),
    Correction(
        what="serves requests without a signature for which it knows no action of IAM",
        why="MissingAuthenticationToken",
        source="IAM User Guide, AWS Signature Version 4",
        replaces=("iam_evaluator.check_credentials",),
        apply=lambda modules, _: caller.install_default_deny(modules.iam_evaluator),
    ),
    Correction(
        what="authorizes GetAlias, UpdateAlias and DeleteAlias as ListAliases, DeleteFunctionConcurrency as PutFunctionConcurrency, and PartiQL as an action that does not exist; does not recognise the resource of CreateFunction, of tag operations of DynamoDB and Step Functions, of Map Runs, of databases of Glue and workgroups of Athena, with IAM paths, with the qualifier of an invocation",
        why="AWS's actions and resources, such as `dynamodb:PartiQLSelect` on the table",
        source='Service Authorization Reference, "Resource types"',
        replaces=("iam_actions.extract_iam_action", "iam_actions.extract_resource_arn"),
        apply=lambda _, parts: parts.authorization.install_needs(),
    ),
    Correction(
        what="`aws:SecureTransport` is false for its own loopback address: a bucket with a TLS-only policy cannot be used, nor its policy deleted",
        why="true: what is sent to this address does not leave the machine",
        source="our decision: AWS's endpoints have TLS",
        replaces=("iam_evaluator._resolve_condition_key",),
        apply=lambda modules, _: _secure_loopback(modules.iam_evaluator),
    ),
    Correction(
        what="takes `${aws:username}` in a policy literally",
        why="the name of the calling user",
        source="IAM User Guide, IAM policy elements: Variables and tags",
        replaces=("iam_evaluator.evaluate",),
        apply=lambda _, parts: parts.authorization.install_policy_variables(),
    ),
    Correction(
        what="finds no policies of a principal with an IAM path: SimulatePrincipalPolicy denies everything",
        why="the name is the last part of the ARN",
        source="IAM User Guide, IAM identifiers",
        replaces=("iam_evaluator._gather_role_policies", "iam_evaluator._gather_user_policies"),
        apply=lambda modules, _: simulation.install_principal_paths(modules.iam_evaluator),
    ),
    Correction(
        what="simulates policies without the condition keys that the request gives",
        why="evaluated with ContextEntries; MissingContextValues names those that a policy asks for besides",
        source="IAM API Reference, SimulatePrincipalPolicy",
        replaces=(
            "iam._extract_simulate_params",
            "iam._build_simulate_results_real",
            "iam_evaluator.evaluate",
        ),
        apply=lambda modules, _: simulation.install_context(modules.iam, modules.iam_evaluator),
    ),
    *LAMBDA,
    *APIGATEWAY,
    *LOGS,
    *CLOUDWATCH,
    *EVENTS,
    *CHECKS,
    *POLICY_DOCUMENTS,
    *UPDATE_OPERANDS,
    *S3,
    *SCANS,
    *IDENTITY_POOLS,
    Correction(
        what="CloudFormation rejects `AWS::ApiGatewayV2::Deployment`, and ignores the TTL and backups of tables, the throttling of stages, the dead letters and the reserved concurrency of functions, a bucket's tags, encryption and expiration",
        why="as in the template; `ApiEndpoint` as above",
        source="CloudFormation Template Reference",
        replaces=("app.SERVICE_HANDLERS[cloudformation]",),
        apply=_complete_cloudformation,
    ),
    Correction(
        what="a state machine needs no permissions; no RedriveExecution; GetResources does not find state machines; a Distributed Map runs every item, whatever fails, ignores StopExecution, UpdateMapRun and the paths of its limits; nothing is throttled, StartExecution is never idempotent",
        why="its role is checked; the Map Run goes on with what did not succeed; found; what is pending is aborted, limits apply at once ([broadcast-distributed.md](broadcast-distributed.md)); AWS's token buckets; the running execution is the answer",
        source="Step Functions Developer Guide, IAM policies for using Distributed Map states; Redriving executions; Setting failure thresholds for Distributed Map states; Service quotas; API Reference, StartExecution, UpdateMapRun",
        replaces=(
            "app.SERVICE_HANDLERS[states]",
            "stepfunctions._call_lambda",
            "stepfunctions._run_distributed_map",
            "stepfunctions._run_execution",
            "stepfunctions._run_map_items",
            "stepfunctions._s3_object_text",
            "tagging._COLLECTORS",
        ),
        apply=_correct_step_functions,
    ),
    Correction(
        what="GetResources does not find log groups, SSM parameters and alarms",
        why="found",
        source="Resource Groups Tagging API, Supported services",
        replaces=("tagging._COLLECTORS",),
        apply=lambda modules, _: tag_collectors.install(
            modules.tagging, modules.cloudwatch_logs, modules.cloudwatch
        ),
    ),
    Correction(
        what="stores every value of a metric, without limit",
        why="equal values within 10 seconds are one weighted point",
        source="our decision: PutMetricData has the same form (Values and Counts)",
        replaces=("cloudwatch.record_metric",),
        apply=_count_equal_values,
    ),
    Correction(
        what="GetAccountSettings has a concurrency that follows from the machine's memory; more can be reserved than the account has",
        why="the quota L-B99A9384 of Service Quotas, which the executor applies; InvalidParameterValueException",
        source="Lambda API Reference, GetAccountSettings; Lambda Developer Guide, Configuring reserved concurrency",
        replaces=("lambda_svc._get_account_settings", "lambda_svc._put_function_concurrency"),
        apply=_agree_with_quotas,
    ),
    Correction(
        what="logs and metrics have the machine's clock",
        why="a clock that `local clock advance` moves",
        source="our decision: idle connections, retention and alarms can be seen without waiting",
        replaces=("cloudwatch.time", "cloudwatch_logs.time"),
        apply=_move_clocks,
    ),
    Correction(
        what="runs start-up scripts of container images that it finds in the file system",
        why="never",
        source="our decision",
        replaces=("app._collect_scripts",),
        apply=_run_no_scripts,
    ),
    Correction(
        what="saves its state only when it stops",
        why="while it runs, about a second after each change",
        source="our decision: AWS does not lose data",
        replaces=("app.SERVICE_HANDLERS",),
        apply=_note_changes,
    ),
    Correction(
        what="checks one action per operation",
        why="dependent actions too: tags at creation, a role that is passed, `lambda:ListTags` for tags in the response of GetFunction; see [iam.md](iam.md)",
        source='Service Authorization Reference, "Dependent actions"',
        replaces=("app.SERVICE_HANDLERS",),
        apply=lambda modules, parts: _wrap_all(modules, parts.authorization.guard),
    ),
    Correction(
        what="authorizes the operation and the parameters in the URL, and carries out those in the form",
        why="400 InvalidParameterCombination where they differ",
        source="IAM User Guide, Making query requests: the parameters are in the URL of a GET or in the body of a POST",
        replaces=("app.SERVICE_HANDLERS",),
        apply=_require_one_operation,
    ),
    Correction(
        what="fails with 500 InternalError on values of the wrong type and on bodies that are not JSON, or names another reason",
        why="SerializationException of the JSON protocols, MalformedInput of the query protocol",
        source="service models; github.com/aws/aws-sdk-js-v3/issues/4080, github.com/async-aws/aws/issues/759: recorded on AWS",
        replaces=("app.SERVICE_HANDLERS",),
        apply=_name_wrong_types,
    ),
)
"""The table."""
