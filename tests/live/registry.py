"""Where each row of docs/embedded-aws.md is asked of AWS, or why it is not. A test holds that no row is missing.

Three kinds of rows: differences that remain (a question, or a reason), test files of the area table (the same tests run in
the account, or a reason), and corrections of ministack (asked with the tests of an area, or a reason). What is our own
decision says nothing about AWS, and there is nothing to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.live.cost import Load

MEDIA = "takes clients with audio and video"
HOURS = "takes hours, or days"
MINUTES = "takes minutes of waiting for each case"
MANY = "takes more resources or traffic than is cheap"
OTHERS = "takes a second account, or a service with a price by the hour"
PEOPLE = "sends something to people, or opens something to the internet"
UNDOCUMENTED = "AWS documents no value: one answer proves nothing, and many cost"
TEMPLATE = "takes a stack of CloudFormation for one property"
ACCOUNT = "changes settings or quotas of the whole account"
IN_PROCESS = "calls our function in this process: asked where requests can show the same, in tests/local"
OURS_ONLY = "moves the clock or the disk of the embedded AWS, which an account does not have"
RAW = "writes to the socket of this machine what no SDK sends"

NOT_ASKED: Final[Mapping[tuple[str, str], str]] = {
    ("API Gateway", "429 when"): UNDOCUMENTED,
    ("API Gateway", "no limit on messages"): UNDOCUMENTED,
    ("API Gateway", "documents no limit on the time"): UNDOCUMENTED,
    ("API Gateway", "each invocation gets"): "is about what this machine can run at once",
    ("API Gateway: not documented by AWS", "a handshake whose function"): "local/test_gateway_conformance.py asks it",
    ("API Gateway: not documented by AWS", "what a malformed"): "local/test_gateway_conformance.py asks it",
    ("API Gateway: not documented by AWS", "whether a ping"): "takes ten idle minutes with and without pings",
    ("API Gateway: not documented by AWS", "whether the routes"): UNDOCUMENTED,
    ("Athena", "SQL of Trino"): "takes a bucket, a catalog and a workgroup; both dialects are documented",
    ("Athena", "has other statements"): "takes a bucket, a catalog and a workgroup",
    ("Athena", "runs queries"): "says what an installation without DuckDB does",
    ("Chime SDK meetings", "transcribes"): MEDIA,
    ("Chime SDK meetings", "attendees connect"): MEDIA,
    ("Chime SDK meetings: notifications", "events go"): "takes a queue that Chime may use, and minutes",
    ("CloudWatch", "keeps data points"): HOURS,
    ("CloudWatch Logs", "keeps log events"): HOURS,
    ("CloudWatch Logs: a metric filter's default", "only for minutes"): MINUTES,
    ("CloudWatch Logs: Live Tail", "an endpoint"): "is about the client's variables",
    ("CloudWatch Logs: subscription filters", "to Kinesis"): OTHERS,
    ("CloudWatch: alarms", "evaluated once"): MINUTES,
    ("CloudWatch: history of alarms", "is kept"): HOURS,
    ("CloudWatch: metrics", "are kept"): HOURS,
    ("CloudWatch: metrics of Chime SDK", "metrics of"): "no page of AWS says the dimensions to ask for",
    ("CloudWatch: metrics of DynamoDB", "DynamoDB also"): MINUTES,
    ("Cost Explorer", "answers"): "costs 0.01 USD, and takes an account where it is turned on",
    ("DynamoDB: TTL", "an expired item"): HOURS,
    ("ECR", "`docker push`"): "takes Docker",
    ("Encryption keys", "KMSKeyArn"): "a key costs 1 USD a month and is deleted after a week",
    ("EventBridge: retry policies", "an event"): HOURS,
    ("EventBridge: targets of other accounts", "get events"): OTHERS,
    ("IAM: policies", "a change"): "how long is not documented; the suite waits 15 seconds",
    ("Lambda", "functions reach"): "is about what leaves this machine",
    ("Lambda", "sends the records"): "takes a bucket and minutes of retries",
    ("Lambda", "publishes to a tenant's"): OTHERS,
    ("Lambda", "keeps an event"): HOURS,
    ("Lambda", "a time-out is so long"): "needs a machine that stops",
    ("Lambda: concurrency", "1,000 concurrent"): MANY,
    ("Lambda: concurrency", "an invocation over"): MANY,
    ("Lambda: events of a function", "run as many"): MANY,
    ("Lambda: language version", "the runtime's"): "asked with Python",
    ("Lambda: layers, `provided`", "run like"): "the answer is the same; only the executor here differs",
    ("Lambda: provisioned concurrency", "environments are"): OTHERS,
    ("Lambda: queued events", "are kept"): MANY,
    ("Lambda: recursive loops", "a function may"): TEMPLATE,
    ("Lambda: runtime updates", "a template"): TEMPLATE,
    ("Logs and metrics of functions", "separate"): "takes a second Region",
    ("Service Quotas", "decides about"): ACCOUNT,
    ("SNS: e-mail", "a mail"): PEOPLE,
    ("SNS: protocols", "text messages"): PEOPLE,
    ("SQS", "a policy can"): PEOPLE,
    ("WebSocket APIs, not documented", "the request template"): UNDOCUMENTED,
}  # fmt: skip
"""Subject and beginning of the column "AWS" -> why there is no question."""


@dataclass(frozen=True)
class Module:
    """A test file that is run in the account, and what it costs."""

    load: Load
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Test -> why it is not run there. Those of differences never are."""


MODULES: Final[Mapping[str, Module]] = {
    "local/test_gateway_conformance.py": Module(
        Load(messages=900, connection_minutes=60, invocations=300, log_kb=2_000, requests=900),
        {
            "test_ten_idle_minutes_and_two_hours_close_with_1001": OURS_ONLY,
            "test_two_handlers_of_one_socket_run_in_parallel": "its functions meet in a folder of this machine",
        },
    ),
    "local/test_conformance_deployments.py": Module(
        Load(messages=20, connection_minutes=10, requests=400),
        {
            "test_api_without_routes_cannot_be_deployed": "deletes its API before it is tagged here",
            "test_state_of_an_earlier_version_serves_what_its_deployments_stood_for": OURS_ONLY,
        },
    ),
    "local/test_conformance_websocket_apis.py": Module(
        Load(messages=200, connection_minutes=40, invocations=60, log_kb=200, requests=1_500),
        {
            "test_template_of_cloudformation_makes_the_same_route": TEMPLATE,
            "test_what_aws_refuses_is_refused": TEMPLATE,
            "test_second_route_of_a_key_is_a_conflict": TEMPLATE,
            "test_events_of_an_iam_connection_have_its_caller": "its operator is a user of the embedded AWS",
            "test_deleted_access_log_settings_leave_the_stage": "names a log group of account 000000000000",
        },
    ),
    "local/test_conformance_dynamodb.py": Module(Load(writes=200, reads=200, requests=100)),
    "local/test_conformance_passed_roles.py": Module(Load(requests=40)),
    "local/test_conformance_lambda.py": Module(
        Load(invocations=40, gb_seconds=40, log_kb=200, requests=400),
        {
            "test_stack_with_a_function_that_lambda_refuses_fails": TEMPLATE,
            "test_dead_letters_and_reserved_concurrency_of_a_template_count": TEMPLATE,
            "test_event_of_a_function_without_concurrency_is_a_dead_letter": MINUTES,
            "test_more_concurrency_than_the_account_has_cannot_be_reserved": ACCOUNT,
            "test_record_of_a_success_reaches_a_queue": MINUTES,
            "test_dead_letter_is_the_event_with_three_attributes": MINUTES,
            "test_event_that_is_given_up_is_counted_once": MINUTES,
            "test_record_of_a_failed_version_reaches_a_topic": MINUTES,
            "test_record_reaches_an_event_bus": MINUTES,
            "test_record_is_the_event_of_another_function": MINUTES,
            "test_failed_event_of_a_topic_is_a_dead_letter": MINUTES,
            "test_failed_event_of_a_rule_is_a_dead_letter": MINUTES,
            "test_mapping_of_a_queue_that_does_not_exist_is_refused": "names a queue of account 000000000000",
            "test_function_outside_the_constraints_is_not_created": "names functions that are not the run's",
        },
    ),
    "local/test_conformance_logs.py": Module(
        Load(log_kb=4_000, requests=200),
        {
            "test_metric_filter_publishes_values_of_matching_events": MINUTES,
            "test_default_value_stands_for_minutes_without_a_match": MINUTES,
            "test_embedded_metrics_are_published_for_each_dimension_set": MINUTES,
            "test_embedded_metrics_of_a_function_are_published": MINUTES,
            "test_subscription_filter_delivers_matching_events_to_a_function": MINUTES,
            "test_live_tail_shows_the_events_that_match": "is about the client's variables",
            "test_insights_query_of_system_fields_is_run": MINUTES,
        },
    ),
}
"""Below `tests/`. Their names come from `tests.names.own`."""

IN_ACCOUNT_NAMES = "its resources do not have the run's names yet (tests.names.own)"
FILES_NOT_ASKED: Final[Mapping[str, str]] = {
    "component/local/": IN_PROCESS,
    "unit/local/": IN_PROCESS,
    "local/test_chime": "Chime is asked by the question about the whole stack; these tests read this machine's media and clock",
    "local/test_cloudformation.py": TEMPLATE,
    "local/test_conformance_account.py": ACCOUNT,
    "local/test_conformance_api_parameters.py": "names roles and functions of account 000000000000",
    "local/test_conformance_athena.py": "takes a bucket, a catalog and a workgroup",
    "local/test_conformance_callbacks.py": TEMPLATE,
    "local/test_conformance_cloudtrail.py": MINUTES,
    "local/test_conformance_events.py": "names queues of account 000000000000",
    "local/test_conformance_metrics.py": MINUTES,
    "local/test_conformance_operations.py": RAW,
    "local/test_conformance_parameters.py": IN_ACCOUNT_NAMES,
    "local/test_conformance_policies.py": "takes a key of KMS, which is deleted after a week",
    "local/test_conformance_request_types.py": RAW,
    "local/test_conformance_s3.py": IN_ACCOUNT_NAMES,
    "local/test_conformance_sam.py": TEMPLATE,
    "local/test_conformance_service_metrics.py": MINUTES,
    "local/test_conformance_step_functions.py": IN_ACCOUNT_NAMES,
    "local/test_conformance_topics.py": PEOPLE,
    "local/test_executor": OURS_ONLY,
    "local/test_lambda_lifecycle.py": OURS_ONLY,
    "local/test_saving.py": OURS_ONLY,
    "local/test_unsigned_requests.py": RAW,
}
"""Test file, or how its path begins -> why it is not run in the account."""

GATEWAY, LAMBDA, LOGS = (
    f"local/test_{name}.py" for name in ("gateway_conformance", "conformance_lambda", "conformance_logs")
)
DYNAMODB, DEPLOYMENTS = "local/test_conformance_dynamodb.py", "local/test_conformance_deployments.py"
WEBSOCKET = "local/test_conformance_websocket_apis.py"
QUESTIONS = "questions"

CORRECTIONS_ASKED: Final[Mapping[str, str]] = {
    "refuses an object with `aws:kms`": IN_ACCOUNT_NAMES,
    "CloudFormation compares": TEMPLATE,
    "accepts the access key `test`": GATEWAY,
    "serves requests without a signature": GATEWAY,
    "authorizes GetAlias": IN_PROCESS,
    "takes `${aws:username}`": IN_PROCESS,
    "finds no policies of a principal": IN_PROCESS,
    "simulates policies": "local/test_conformance_passed_roles.py",
    "serves the code of a function": OURS_ONLY,
    "runs functions with the environment": LAMBDA,
    "overwrites the code": IN_PROCESS,
    "gives an Invoke's answer": LAMBDA,
    "retries events": MINUTES,
    "has no UpdateFunctionEventInvokeConfig": LAMBDA,
    "accepts functions without code": LAMBDA,
    "accepts a change of a function": "a race: AWS may have finished the first change",
    "serves REST and HTTP APIs": "its functions reach an API of the run at AWS's own address in " + GATEWAY,
    "accepts duplicate routes": WEBSOCKET,
    "accepts in a WebSocket API": WEBSOCKET,
    "serves routes as they are": DEPLOYMENTS,
    "FilterLogEvents": LOGS,
    "metric filters": LOGS,
    "PutLogEvents stores": LOGS,
    "has no TestMetricFilter": LOGS,
    "never throttles": MANY,
    "a metric without dimensions": MINUTES,
    "an alarm is evaluated": MINUTES,
    "PutDashboard accepts": IN_ACCOUNT_NAMES,
    "DynamoDB writes no metrics": MINUTES,
    "a rule delivers": "takes queues and functions of the account 000000000000 in the tests",
    "takes names, descriptions": LAMBDA,
    "Athena answers": "takes a bucket, a catalog and a workgroup",
    "drops the first of two SET": DYNAMODB,
    "does not know `dynamodb:LeadingKeys`": QUESTIONS,
    "attaches policies": IN_ACCOUNT_NAMES,
    "does not escape": "XML is a standard; AWS's clients parse every answer of this suite",
    "ignores AllowedPattern": IN_ACCOUNT_NAMES,
    "subscribes any protocol": PEOPLE,
    "confirms an e-mail address": PEOPLE,
    "shows the text of a SecureString": IN_ACCOUNT_NAMES,
    "ListFunctions ignores": IN_ACCOUNT_NAMES,
    "ignores ExpectedBucketOwner": OTHERS,
    "stores texts that are not JSON": "takes a key of KMS, which is deleted after a week",
    "stores or drops the operands": DYNAMODB,
    "lists and creates buckets": RAW,
    "answers 200 to a request": OURS_ONLY,
    "Cognito gives": OTHERS,
    "CloudFormation rejects": TEMPLATE,
    "a state machine needs": IN_ACCOUNT_NAMES,
    "GetResources does not": QUESTIONS,
    "GetAccountSettings": ACCOUNT,
    "checks one action": "local/test_conformance_passed_roles.py",
    "authorizes the operation": RAW,
    "fails with 500": QUESTIONS,
}
"""How a correction begins -> the tests that ask about it, or why none do. Those that are our decision are not here."""
