"""The rows of the table of corrections for Lambda."""

from __future__ import annotations

import json
from typing import Any, Final

from whatschat_ops.local.control import (
    code_links,
    destinations,
    lambda_bridge,
    lambda_invoke,
    lambda_validation,
    validation,
)
from whatschat_ops.local.control.correction import Correction, Parts, wrap_handler
from whatschat_ops.local.control.modules import Modules

FUNCTION_PENDING_S = 0.05
"""How long a function is Pending after a change. AWS takes seconds; waiting for them here would not make tests
better.
"""


def _run_on_our_executor(modules: Modules, parts: Parts) -> None:
    parts.functions.install(modules.lambda_svc)


def _shorten_pending(modules: Modules, _: Parts) -> None:
    modules.lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = FUNCTION_PENDING_S


def _keep_old_code(modules: Modules, parts: Parts) -> None:
    parts.code.install(modules.lambda_svc)


def _complete_invoke(modules: Modules, _: Parts) -> None:
    wrap_handler(modules, "lambda", lambda handler: lambda_invoke.completed(handler, modules.lambda_svc))


def _process_events(modules: Modules, parts: Parts) -> None:
    lambda_svc = modules.lambda_svc
    emit = lambda_svc._emit_lambda_metrics

    def emit_lambda_metrics(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        if duration_ms or error or throttle:  # an event that was only queued has not been invoked
            emit(name, duration_ms, error, throttle)

    lambda_svc._emit_lambda_metrics = emit_lambda_metrics
    lambda_svc.invoke_async_with_retry = submit = parts.events.submit
    modules.sns._lambda_svc = destinations.SubmittingLambda(lambda_svc, submit)
    dispatch = modules.eventbridge._dispatch_to_lambda

    def dispatch_to_lambda(arn: str, payload: str) -> None:
        try:
            event = json.loads(payload)
        except (ValueError, RecursionError):
            dispatch(arn, payload)
        else:
            destinations.submit_to(lambda_svc, submit, arn, event)

    modules.eventbridge._dispatch_to_lambda = dispatch_to_lambda


def _guard_lambda(modules: Modules, _: Parts) -> None:
    wrap_handler(modules, "lambda", lambda handler: validation.guard_changes(modules.lambda_svc, handler))


def _activate_versions(modules: Modules, _: Parts) -> None:
    def activate(_name: str, version: dict[str, Any]) -> None:
        states = {
            "State": "Active",
            "StateReason": "",
            "StateReasonCode": "",
            "LastUpdateStatus": "Successful",
        }
        version["config"].update(states)

    modules.lambda_svc._snapstart_provision_version_async = activate


LAMBDA: Final = (
    Correction(
        what="serves the code of a function or a layer to any request for its path",
        why="a signed link that expires after ten minutes",
        source="Lambda API Reference, FunctionCodeLocation and LayerVersionContentOutput",
        replaces=code_links.REPLACES,
        apply=lambda modules, _: code_links.install(modules.lambda_svc),
    ),
    Correction(
        what="runs functions with the environment of its own process; ignores the weights of an alias; answers `Mock response` for a function that it cannot run",
        why="one executor for every caller, with a separate environment; versions are chosen by weight; an error",
        source="Lambda Developer Guide, Lambda execution environment; Implement Lambda canary deployments",
        replaces=("lambda_svc._execute_function_dispatch",),
        apply=_run_on_our_executor,
    ),
    Correction(
        what="overwrites the code in UpdateFunctionCode with `DryRun`",
        why="changes nothing and returns what would be the result",
        source="Lambda API Reference, UpdateFunctionCode",
        replaces=("lambda_svc._update_code",),
        apply=lambda modules, _: lambda_bridge.install_dry_run(modules.lambda_svc),
    ),
    Correction(
        what="leaves a function Pending, or its update InProgress, for half a second",
        why=f"{FUNCTION_PENDING_S:g} s, so that tests see the state and do not wait for it",
        source="our decision: AWS takes seconds",
        replaces=("lambda_svc._LAMBDA_STATE_TRANSITION_DELAY",),
        apply=_shorten_pending,
    ),
    Correction(
        what="deletes the code of old versions before the state without them is on disk",
        why="afterwards, so that `kill -9` never loses the code of a function",
        source="our decision: AWS does not lose data",
        replaces=("lambda_svc._prune_orphan_code_blobs",),
        apply=_keep_old_code,
    ),
    Correction(
        what="gives an Invoke's answer, context and log ids of their own; takes a body that is not JSON as an empty one, and one of any size; drops the client context; names the main version of a weighted alias in `X-Amz-Executed-Version`",
        why="one request id; 400 InvalidRequestContentException, 413 RequestEntityTooLargeException; the version that ran",
        source="Lambda API Reference, Invoke; answers recorded on AWS",
        replaces=("app.SERVICE_HANDLERS[lambda]",),
        apply=_complete_invoke,
    ),
    Correction(
        what="retries events within seconds, those of SNS and EventBridge not at all; ignores the settings of versions and aliases and destinations of successes; records and dead letters have no request id and another body",
        why="one minute, then two, until the event is too old; records, attributes and permissions as on AWS",
        source="Lambda Developer Guide, How Lambda handles errors and retries with asynchronous invocation; Capturing records of Lambda asynchronous invocations",
        replaces=(
            "eventbridge._dispatch_to_lambda",
            "lambda_svc._emit_lambda_metrics",
            "lambda_svc.invoke_async_with_retry",
            "sns._lambda_svc",
        ),
        apply=_process_events,
    ),
    Correction(
        what="has no UpdateFunctionEventInvokeConfig",
        why="changes what is given, and leaves the rest",
        source="Lambda API Reference, UpdateFunctionEventInvokeConfig",
        replaces=("app.SERVICE_HANDLERS[lambda]",),
        apply=lambda modules, _: wrap_handler(
            modules,
            "lambda",
            lambda handler: lambda_bridge.with_updated_event_settings(handler, modules.lambda_svc),
        ),
    ),
    Correction(
        what="accepts functions without code, unknown and retired runtimes, reserved environment variables, environments over 4 KB and time-outs over 900 s, CloudFormation too; aliases of versions and mappings of queues that do not exist, and principals that are none",
        why="rejected with AWS's codes and texts",
        source="Lambda API Reference, CreateFunction; answers recorded on AWS",
        replaces=(
            "lambda_svc._add_permission",
            "lambda_svc._create_alias",
            "lambda_svc._create_esm",
            "lambda_svc._create_function",
            "lambda_svc._update_alias",
            "lambda_svc._put_event_invoke_config",
            "lambda_svc._update_code",
            "lambda_svc._update_config",
        ),
        apply=lambda modules, _: lambda_validation.install(modules.lambda_svc, modules.sqs),
    ),
    Correction(
        what="accepts a change of a function while another is in progress, and PublishVersion with another CodeSha256",
        why="409 ResourceConflictException; 400 InvalidParameterValueException",
        source="Lambda Developer Guide, Lambda function states; API Reference, PublishVersion",
        replaces=("app.SERVICE_HANDLERS[lambda]",),
        apply=_guard_lambda,
    ),
    Correction(
        what="initializes a version with SnapStart on its own executor when it is published, with the environment of its own process",
        why="active at once; the first invocation initializes it, on the one executor",
        source="our decision: a function never runs in two ways",
        replaces=("lambda_svc._snapstart_provision_version_async",),
        apply=_activate_versions,
    ),
)
