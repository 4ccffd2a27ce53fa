"""Every limit of AWS that this program keeps, checks or imitates: each stands here once, with its unit in its name.

Clients, the embedded AWS and the command line import the same numbers, so that they cannot disagree. A value is the
default of an account; where AWS raises it on request, the docstring has the quota code (service `apigateway`, `chime`
or `lambda` of Service Quotas). Facts only: no rule, no error, no import beyond the standard library.

Sources, by the name that the docstrings use:

- websocket-quotas: API Gateway developer guide, apigateway-execution-service-websocket-limits-table.html
- api-gateway-quotas: API Gateway developer guide, limits.html
- api-gateway-pricing: aws.amazon.com/api-gateway/pricing
- lambda-quotas: Lambda developer guide, gettingstarted-limits.html
- iam-quotas: IAM user guide, reference_iam-quotas.html
- step-functions-quotas: Step Functions developer guide, service-quotas.html
- logs-quotas: CloudWatch Logs user guide, cloudwatch_limits_cwl.html
- chime-quotas: AWS General Reference, gr/chime-sdk.html
- chime-api: Chime SDK API reference, chime-sdk-meetings (botocore's model of it)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from whatschat_ops.handlers.limits import CHIME_BATCH_ATTENDEES as CHIME_BATCH_ATTENDEES
from whatschat_ops.handlers.limits import CHIME_EXTERNAL_ID_CHARACTERS as CHIME_EXTERNAL_ID_CHARACTERS
from whatschat_ops.handlers.limits import CHIME_ID_PATTERN as CHIME_ID_PATTERN
from whatschat_ops.handlers.limits import CHIME_MEETING_S as CHIME_MEETING_S
from whatschat_ops.handlers.limits import CHIME_RESERVED_PREFIX as CHIME_RESERVED_PREFIX
from whatschat_ops.handlers.limits import CHIME_UNATTENDED_S as CHIME_UNATTENDED_S
from whatschat_ops.handlers.limits import MAX_CHIME_EXTERNAL_ID_CHARACTERS as MAX_CHIME_EXTERNAL_ID_CHARACTERS
from whatschat_ops.handlers.limits import MAX_MESSAGE_BYTES as MAX_MESSAGE_BYTES
from whatschat_ops.handlers.limits import MIN_CHIME_EXTERNAL_ID_CHARACTERS as MIN_CHIME_EXTERNAL_ID_CHARACTERS


class RateLimit(NamedTuple):
    """A token bucket: `burst` requests at once after a pause, `rate_per_s` from then on."""

    rate_per_s: float
    burst: int


# API Gateway: WebSocket APIs

MAX_FRAME_BYTES: Final = 32 * 1024
"""Of a frame that a client sends; a larger one is closed with 1009 (websocket-quotas, L-E11F7D5D, not adjustable)."""

METERED_MESSAGE_BYTES: Final = 32 * 1024
"""A message is billed as one for each 32 KB begun, in both directions (api-gateway-pricing)."""

MAX_CONNECTION_S: Final = 2 * 60 * 60
"""API Gateway closes a connection of this age (websocket-quotas, L-A6CCE716, not adjustable)."""

MAX_IDLE_S: Final = 10 * 60
"""API Gateway closes a connection without a message for this long (websocket-quotas, L-60AC41CD, not adjustable)."""

NEW_CONNECTIONS_PER_S: Final = 500
"""Of all WebSocket APIs of an account in a Region (websocket-quotas, L-9ED1E49A)."""

MIN_INTEGRATION_TIMEOUT_MS: Final = 50
MAX_INTEGRATION_TIMEOUT_MS: Final = 29_000
"""What an integration may take, the handshake's `$connect` included (websocket-quotas, L-E5AE38E3, not adjustable)."""

MAX_URL_CHARACTERS: Final = 4_096
"""Of a handshake's URL (websocket-quotas, not adjustable)."""

CONNECTION_ID_PATTERN: Final = r"[A-Za-z0-9_-]{15}="
"""The whole of a connection id, such as `R0oXAdfD0kwCH6w=`: 11 bytes in URL-safe base64. As seen; AWS does not document it."""

API_ROUTES: Final = 300
"""Of a WebSocket API (api-gateway-quotas, L-01C8A9E0)."""

STAGE_PATTERN: Final = r"[A-Za-z0-9_-]{1,128}"
"""The whole of a stage's name (API Gateway v2 API reference, CreateStage)."""

# API Gateway: the account

API_REQUESTS: Final = RateLimit(10_000, 5_000)
"""Of an account in a Region: REST, HTTP and WebSocket APIs and @connections together (api-gateway-quotas, L-8A5B8E43; the
burst, L-CDF5615A, follows from the rate and cannot be requested).
"""

API_REQUESTS_OF_SMALL_REGIONS: Final = RateLimit(2_500, 1_250)
"""The same in the Regions of `SMALL_REGIONS` (api-gateway-quotas)."""

SMALL_REGIONS: Final[Mapping[str, str]] = {
    "af-south-1": "Cape Town",
    "ap-south-2": "Hyderabad",
    "ap-southeast-3": "Jakarta",
    "ap-southeast-4": "Melbourne",
    "ap-southeast-5": "Malaysia",
    "ap-southeast-7": "Thailand",
    "ca-west-1": "Calgary",
    "eu-central-2": "Zurich",
    "eu-south-1": "Milan",
    "eu-south-2": "Spain",
    "il-central-1": "Tel Aviv",
    "me-central-1": "UAE",
    "mx-central-1": "Mexico",
}
"""Regions where an account begins with a quarter of the usual rate (api-gateway-quotas)."""

CONTROL_PLANE: Final = RateLimit(10, 40)
"""Calls of an account in a Region to API Gateway's control plane (api-gateway-quotas, not adjustable)."""

CREATE_DEPLOYMENT_INTERVAL_S: Final = 5.0
"""One CreateDeployment in this time (api-gateway-quotas, not adjustable; listed for REST, assumed for WebSocket APIs)."""

# Lambda

MAX_FUNCTION_ENVIRONMENT_BYTES: Final = 4 * 1024
"""Of all variables of a function together (lambda-quotas, L-6581F036, not adjustable)."""

MIN_FUNCTION_MEMORY_MB: Final = 128
MAX_FUNCTION_MEMORY_MB: Final = 10_240
"""Of a function, in steps of 1 MB (lambda-quotas)."""

FREE_TMP_MB: Final = 512
MAX_TMP_MB: Final = 10_240
"""/tmp of a function; beyond the first it is billed (lambda-quotas, lambda/pricing)."""

MAX_FUNCTION_TIMEOUT_S: Final = 15 * 60
"""Of an invocation (lambda-quotas)."""

MAX_INIT_S: Final = 10.0
"""Of a function's initialization; a longer one is started over within the invocation (Lambda developer guide,
lambda-runtime-environment.html).
"""

MAX_CODE_ZIPPED_BYTES: Final = 50 * 1024 * 1024
"""Of a zip that is sent with the request instead of lying in S3 (lambda-quotas)."""

MAX_CODE_UNZIPPED_BYTES: Final = 250 * 1024 * 1024
"""Of a function's code with all its layers (lambda-quotas)."""

MAX_REQUEST_BYTES: Final = 6 * 1024 * 1024
"""Of the event of a synchronous invocation (lambda-quotas)."""

MAX_ASYNC_REQUEST_BYTES: Final = 1024 * 1024
"""Of the event of an asynchronous invocation (lambda-quotas; 256 KB until 2025)."""

MAX_CLIENT_CONTEXT_CHARACTERS: Final = 3583
"""Of X-Amz-Client-Context, in base64 (Lambda API reference, Invoke)."""

MAX_RESPONSE_BYTES: Final = 6 * 1024 * 1024 + 100
"""Of a synchronous invocation: 6 MB (lambda-quotas), and the 100 bytes that the Runtime API grants."""

LOG_TAIL_BYTES: Final = 4 * 1024
"""What Invoke answers of the log with LogType=Tail: the last 4 KB (Lambda API reference, Invoke)."""

# CloudWatch Logs

MAX_LOG_PAGE_EVENTS: Final = 10_000
MAX_LOG_PAGE_BYTES: Final = 1024 * 1024
"""Of a page of FilterLogEvents (CloudWatch Logs API reference)."""

MAX_LOG_BATCH_EVENTS: Final = 10_000
"""Of a PutLogEvents (CloudWatch Logs API reference)."""

MAX_LOG_BATCH_BYTES: Final = 1024 * 1024
LOG_EVENT_OVERHEAD_BYTES: Final = 26
"""Of a PutLogEvents: the bytes of its messages, and this for each (CloudWatch Logs API reference)."""

MAX_LOG_BATCH_S: Final = 24 * 60 * 60
"""Between the first and the last event of a PutLogEvents (CloudWatch Logs API reference)."""

MAX_LOG_AGE_S: Final = 14 * 24 * 60 * 60
MAX_LOG_AHEAD_S: Final = 2 * 60 * 60
"""Events beyond these are not stored (CloudWatch Logs API reference, PutLogEvents)."""

MAX_FILTER_PATTERN_CHARACTERS: Final = 1_024
"""Of a filter pattern (CloudWatch Logs API reference, FilterLogEvents)."""

MAX_FILTER_PATTERN_REGEXES: Final = 2
"""Of a JSON or space-delimited filter pattern (logs-quotas)."""

MAX_SUBSCRIPTION_FILTERS: Final = 2
"""Of a log group (logs-quotas)."""

_LOG_READS_PER_S: Final[Mapping[str, tuple[int, Mapping[str, int]]]] = {
    "FilterLogEvents": (
        10,
        {
            "us-east-1": 25,
            **dict.fromkeys(
                ("ap-northeast-3", "ap-southeast-3", "ca-west-1", "eu-central-1", "il-central-1"), 5
            ),
        },
    ),
    "GetLogEvents": (
        25,
        {
            "eu-west-3": 30,
            **dict.fromkeys(
                (
                    "us-west-2",
                    "ap-northeast-3",
                    "ap-southeast-3",
                    "ca-west-1",
                    "eu-central-1",
                    "eu-west-1",
                    "il-central-1",
                ),
                10,
            ),
        },
    ),
    "DescribeLogStreams": (25, {}),
}
"""By operation: the usual rate, and that of the Regions with another one (logs-quotas; the first two not adjustable)."""

MAX_API_NAME_CHARACTERS: Final = 128
MAX_API_DESCRIPTION_CHARACTERS: Final = 1_024
"""Of an API (API Gateway V2 API Reference, StringWithLengthBetween1And128 and StringWithLengthBetween0And1024)."""

# CloudWatch

MAX_METRIC_DATA_QUERIES: Final = 500
MAX_METRIC_DATA_POINTS: Final = 100_800
"""Of a GetMetricData (CloudWatch API reference)."""

MAX_METRIC_STATISTICS_POINTS: Final = 1_440
"""Of a GetMetricStatistics (CloudWatch API reference)."""

METRIC_RETENTION_S: Final[Mapping[int, int]] = {
    60: 15 * 24 * 60 * 60,
    300: 63 * 24 * 60 * 60,
    3_600: 455 * 24 * 60 * 60,
}
"""Period in seconds -> how long data points of that period are kept (CloudWatch API reference, GetMetricData)."""

METRICS_PAGE: Final = 500
"""Of ListMetrics (CloudWatch API reference)."""

MAX_ALARM_RANGE_S: Final = 7 * 24 * 60 * 60
"""Of an alarm, its period times its evaluation periods (CloudWatch API reference, PutMetricAlarm)."""

MAX_METRIC_AGE_S: Final = 14 * 24 * 60 * 60
MAX_METRIC_AHEAD_S: Final = 2 * 60 * 60
"""Of the time stamp in a PutMetricData (CloudWatch API reference, MetricDatum)."""

MAX_METRIC_DIMENSIONS: Final = 30
"""Of a metric (CloudWatch API Reference, MetricDatum)."""
MAX_METRIC_VALUES: Final = 150
"""Different values of one datum in a PutMetricData (CloudWatch API reference, MetricDatum)."""

MAX_DASHBOARD_NAME_CHARACTERS: Final = 255
"""CloudWatch API reference, PutDashboard."""

MAX_DASHBOARD_WIDGETS: Final = 500
"""Of a dashboard (CloudWatch API reference, Dashboard body structure and syntax)."""

# Budgets

BUDGET_SUBSCRIBERS: Final[Mapping[str, int]] = {"SNS": 1, "EMAIL": 10}
"""Of one notification of a budget, by type (AWS Budgets API reference, Notification)."""

MAX_BUDGET_NAME_CHARACTERS: Final = 100
"""Of the name of a budget (AWS Budgets API reference, Budget)."""

CALCULATOR_LINES: Final = 25
"""Of a call that adds lines to a workload estimate (botocore's model of bcm-pricing-calculator, BatchCreateWorkloadEstimateUsage)."""

# DynamoDB

DYNAMODB_TABLES: Final = 2_500
"""Tables of an account in a Region (L-F98FE922, adjustable; DynamoDB developer guide, Quotas)."""

READ_UNIT_BYTES: Final = 4 * 1024
"""One consistent read, or two that are eventually consistent (DynamoDB developer guide, read-write-operations.html)."""

MAX_KEY_BYTES: Final = 2_048
"""Of the partition key of a table or an index (DynamoDB developer guide, ServiceQuotas.html)."""

TABLE_NAME_PATTERN: Final = r"[A-Za-z0-9_.-]{3,255}"
"""The whole of a table's name (DynamoDB API reference, CreateTable)."""

MAX_BATCH_STATEMENTS: Final = 25
"""Of a BatchExecuteStatement (DynamoDB API reference)."""

# Accounts and IAM

ACCOUNT_ID_CHARACTERS: Final = 12
"""Digits of an account's id (AWS Account Management reference)."""

MAX_INLINE_POLICY_CHARACTERS: Final[Mapping[str, int]] = {"user": 2_048, "group": 5_120, "role": 10_240}
"""Of all inline policies of a user, group or role together, white space not counted (iam-quotas, not adjustable)."""

MAX_MANAGED_POLICY_CHARACTERS: Final = 6_144
"""Of a managed policy, white space not counted (iam-quotas, not adjustable)."""

MAX_ROLE_NAME_CHARACTERS: Final = 64
"""CreateRole in the IAM API reference."""

MAX_POLICY_NAME_CHARACTERS: Final = 128
"""Of an inline policy (PutRolePolicy, PutUserPolicy and PutGroupPolicy in the IAM API reference)."""

LONGEST_REGION_CHARACTERS: Final = 15
"""`us-isof-south-1` (botocore's endpoints.json)."""

# S3, Step Functions

MAX_BUCKET_NAME_CHARACTERS: Final = 63
"""S3 user guide, bucketnamingrules.html."""

MAX_STATE_MACHINE_NAME_CHARACTERS: Final = 80
"""Step Functions API reference, CreateStateMachine."""

MAX_TOPIC_NAME_CHARACTERS: Final = 256
"""SNS API reference, CreateTopic."""

MAX_EVENT_RULE_NAME_CHARACTERS: Final = 64
"""EventBridge API reference, PutRule."""

MAX_MAP_CHILDREN: Final = 10_000
"""Child executions of a Distributed Map at once, also without a MaxConcurrency (step-functions-quotas, not adjustable)."""
MAP_CHILDREN_PER_S: Final = 100
"""Child executions of the Standard type that a Distributed Map begins (Step Functions Developer Guide, "Service quotas"; code unknown)."""

# Chime SDK meetings

CHIME_CONTROL_REGIONS: Final = (
    "af-south-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1", "eu-central-1", "eu-west-2", "il-central-1", "us-east-1", "us-west-2",
    "us-gov-east-1", "us-gov-west-1",
)  # fmt: skip
"""Regions that have the API of meetings (botocore's endpoints.json)."""

CHIME_MEDIA_REGIONS: Final = (
    "af-south-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1", "eu-central-1", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3",
    "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1",
)  # fmt: skip
"""Regions that can host the media of a meeting (CreateMeeting in chime-api)."""

CHIME_MEETINGS: Final = 250
"""Meetings at once, of an account in a control Region (chime-quotas, L-9F286451; the API rates grow with it)."""

CHIME_ATTENDEES: Final = 250
CHIME_HD_ATTENDEES: Final = 25
"""Attendees of a meeting; of one with video in 1080p or content in 4K (chime-quotas, L-B1CE561B, not adjustable)."""

CHIME_REPLICAS: Final = 4
"""Replicas of a meeting (chime-quotas, L-154D84D0)."""

CHIME_API: Final = RateLimit(10, 20)
"""Calls of each operation, of an account in a control Region (chime-quotas; grows with CHIME_MEETINGS)."""

CHIME_TAGS: Final = 50
"""Tags of a meeting (chime-api)."""

CHIME_TAG_KEY_PATTERN: Final = r"[a-zA-Z+-=._:/]{1,128}"
CHIME_TAG_VALUE_PATTERN: Final = r"[\s\w+\-=.:/@]{0,256}"
"""Texts of a tag (botocore's model of Tag)."""


def account_limit(region: str) -> RateLimit:
    """API Gateway's requests of an account in a Region before they are raised."""
    return API_REQUESTS_OF_SMALL_REGIONS if region in SMALL_REGIONS else API_REQUESTS


def log_read_rate(region: str, operation: str) -> int | None:
    """Calls a second of an operation that reads logs, of an account in a Region; None: not known here."""
    usual, others = _LOG_READS_PER_S.get(operation, (None, {}))
    return others.get(region, usual)
