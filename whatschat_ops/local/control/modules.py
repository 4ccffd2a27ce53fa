"""ministack's modules, for the parts of the control plane that read and correct them.

Only this module imports ministack at the start. `athena`, `identity_pools` and the `cloudformation` modules import one
more of its modules each, at the first request for it: that takes long.
ministack keeps its state in modules, so there is one control plane in a process. It is pinned to 1.5.33:
`require_names` reports at the start which names another version lacks.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, Final

from whatschat_ops.errors import LocalError

PINNED_VERSION: Final = "1.5.33"


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules by their own names."""

    app: Any
    apigateway: Any
    cloudwatch: Any
    cloudwatch_logs: Any
    dynamodb: Any
    eventbridge: Any
    iam: Any
    iam_actions: Any
    iam_evaluator: Any
    lambda_svc: Any
    persistence: Any
    responses: Any
    router: Any
    s3: Any
    sigv4: Any
    sns: Any
    sqs: Any
    stepfunctions: Any
    sts: Any
    tagging: Any


_CORE: Final = ("iam_actions", "iam_evaluator", "persistence", "responses", "router", "sigv4")


def load() -> Modules:
    """Import ministack. The variables of `layout.ministack_environment` must be set before."""
    names = [field.name for field in fields(Modules)]
    return Modules(**{name: import_module(_path(name)) for name in names})


def rest_apis() -> list[tuple[str, str, str]]:
    """Account, Region and id of each REST API. ministack imports their module when the first one is used."""
    loaded = sys.modules.get(_path("apigateway_v1"))
    return [] if loaded is None else [key for key, _ in loaded._rest_apis.all_items()]


def _path(name: str) -> str:
    if name == "app":
        return "ministack.app"
    return f"ministack.{'core' if name in _CORE else 'services'}.{name}"


READS: Final = (
    "apigateway._apigw_error",
    "apigateway._apis",
    "apigateway._authorizers",
    "apigateway._deployments",
    "apigateway._integration_responses",
    "apigateway._integrations",
    "apigateway._page",
    "apigateway._require_api",
    "apigateway._route_responses",
    "apigateway._routes",
    "apigateway._stages",
    "apigateway.find_api_scope",
    "app.SERVICE_REGISTRY",
    "app._build_persistence_save_dict",
    "app._parse_execute_api_url",
    "app._parse_lambda_url",
    "app._routing_params",
    "app.app",
    "cloudwatch._alarm_history",
    "cloudwatch._alarms",
    "cloudwatch._cbor_ok",
    "cloudwatch._cbor_timestamp",
    "cloudwatch._dims_key",
    "cloudwatch._dispatch_alarm_actions",
    "cloudwatch._error",
    "cloudwatch._evaluate_parent_alarms",
    "cloudwatch._json_ok",
    "cloudwatch._metric_bucket",
    "cloudwatch._metrics",
    "cloudwatch._record_history",
    "cloudwatch._resource_tags",
    "cloudwatch._ts_iso",
    "cloudwatch._xml",
    "cloudwatch.get_account_id",
    "cloudwatch_logs._append_log_events",
    "cloudwatch_logs._create_log_group",
    "cloudwatch_logs._fanout_to_live_tail_sessions",
    "cloudwatch_logs._fanout_to_subscription_filters",
    "cloudwatch_logs._log_events_lock",
    "cloudwatch_logs._log_group_policies",
    "cloudwatch_logs._log_groups",
    "cloudwatch_logs._log_records",
    "cloudwatch_logs._metric_filters",
    "cloudwatch_logs._resolve_log_group_name",
    "cloudwatch_logs._resource_policies",
    "cloudwatch_logs.error_response_json",
    "cloudwatch_logs.get_region",
    "cloudwatch_logs.json_response",
    "dynamodb._extract_key_val",
    "dynamodb._item_size_bytes",
    "dynamodb._normalize_table_name",
    "dynamodb._find_matching_paren",
    "dynamodb._get_at_path",
    "dynamodb._split_by_comma",
    "dynamodb._tables",
    "dynamodb._update_continuous_backups",
    "dynamodb._update_ttl",
    "eventbridge._apply_input_transformer",
    "eventbridge._archive_event",
    "eventbridge._dispatch_event",
    "eventbridge._pattern_event_view",
    "eventbridge._put_events",
    "eventbridge._rules",
    "eventbridge.error_response_json",
    "eventbridge.json_response",
    "iam._groups",
    "iam._roles",
    "iam._users",
    "iam.policy_known",
    "iam_actions.access_denied_response",
    "iam_evaluator.AmbiguousAccessKeyError",
    "iam_evaluator.AuthError",
    "iam_evaluator.CredentialResolutionError",
    "iam_evaluator.EvalContext",
    "iam_evaluator._action_matches",
    "iam_evaluator._anonymous",
    "iam_evaluator.enforce",
    "iam_evaluator.evaluate_resource_policy",
    "iam_evaluator.find_iam_access_key_account",
    "iam_evaluator.pin_request_origin",
    "iam_evaluator.pin_signed_body",
    "iam_evaluator.pin_signed_request",
    "iam_evaluator.resolve_credential",
    "iam_evaluator.resolve_caller_identity",
    "iam_evaluator._service_principal_matches",
    "iam_evaluator.parse_policy_document",
    "iam_evaluator.validate_policy_document",
    "lambda_svc._check_revision",
    "lambda_svc._event_invoke_config",
    "lambda_svc._execute_function_with_config_scope",
    "lambda_svc._execution_record_for_config",
    "lambda_svc._fetch_code_from_s3",
    "lambda_svc._func_arn",
    "lambda_svc._functions",
    "lambda_svc._get_event_invoke_config",
    "lambda_svc._get_func_record_for_ref",
    "lambda_svc._qualifier_from_path_or_query",
    "lambda_svc._reject_unreadable_zip",
    "lambda_svc._resolve_request_scoped_name",
    "lambda_svc._resolve_request_scoped_name_and_qualifier",
    "lambda_svc._s3_code_region_error",
    "lambda_svc._throttle_response",
    "lambda_svc.error_response_json",
    "lambda_svc.json_response",
    "persistence.STATE_DIR",
    "persistence._json_default",
    "persistence._state_format_version",
    "responses.get_account_id",
    "responses.get_region",
    "responses.request_scope",
    "responses.set_request_account_id",
    "responses.set_request_region",
    "router.detect_service",
    "router.extract_access_key_id",
    "router.extract_region",
    "s3._bucket_tags",
    "s3._buckets",
    "s3._error",
    "s3._put_bucket_encryption",
    "s3._put_bucket_lifecycle",
    "sigv4.decode_header_value",
    "sns._topics",
    "sns.publish_internal",
    "sns.topic_policy_allows",
    "sqs._Err",
    "sqs._act_send_message",
    "sqs._queue_by_arn",
    "sqs.queue_policy_allows",
    "stepfunctions._ExecutionError",
    "stepfunctions._apply_input_path",
    "stepfunctions._apply_output_path",
    "stepfunctions._apply_result_path",
    "stepfunctions._apply_result_selector",
    "stepfunctions._describe_execution",
    "stepfunctions._executions",
    "stepfunctions._finalize_response",
    "stepfunctions._list_map_runs",
    "stepfunctions._map_runs",
    "stepfunctions._next_or_end",
    "stepfunctions._read_map_items",
    "stepfunctions._resolve_params_obj",
    "stepfunctions._resolve_path_or_ctx",
    "stepfunctions._run_sub_machine",
    "stepfunctions._start_execution",
    "stepfunctions._state_machines",
    "stepfunctions._tags",
    "stepfunctions.error_response_json",
    "stepfunctions.get_region",
    "stepfunctions.json_response",
    "stepfunctions.new_uuid",
    "stepfunctions.now_iso",
    "sts.register_session",
    "tagging._collect_ssm",
    "tagging._normalise_flat",
)
"""Names that are read and not replaced. A test compares this list with the source."""


def require_names(namespace: object, names: Iterable[str]) -> None:
    """Raise LocalError naming every one of `names` (`module.name` or `module.name[key]`) that does not exist."""
    missing = [name for name in names if not _exists(namespace, name)]
    if missing:
        raise LocalError(
            f"The installed ministack is not the version {PINNED_VERSION} that the embedded AWS requires: "
            f"it has no {', '.join(missing)}.",
            hint=f"pip install 'ministack=={PINNED_VERSION}'",
        )


def _exists(namespace: object, name: str) -> bool:
    module_name, attribute, key = re.fullmatch(r"(\w+)\.(\w+)(?:\[(.+)\])?", name).groups()  # type: ignore[union-attr]
    module = getattr(namespace, module_name)
    if not hasattr(module, attribute):
        return False
    return key is None or key in getattr(module, attribute)
