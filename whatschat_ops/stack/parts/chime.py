"""Chime SDK meetings: the ledger of those that we created, and what the application may do with them. Pure.

Resource-level support of Chime's actions: Service Authorization Reference, "Actions, resources, and condition keys for
Amazon Chime".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatschat_ops.errors import ConfigError
from whatschat_ops.provision import Resource
from whatschat_ops.stack.iam_documents import Document, actions, allow, document
from whatschat_ops.stack.kinds.event_rule import EventRule
from whatschat_ops.stack.kinds.log_group import LogGroup
from whatschat_ops.stack.kinds.table import Table
from whatschat_ops.stack.parts.blueprint import Blueprint, Part
from whatschat_ops.stack.parts.functions import log_group

EVENTS: Final = "chime-events"


def resources(blueprint: Blueprint) -> Iterator[Resource]:
    """The ledger: Chime itself cannot list meetings. With `chime.events`, the rule and the log group of its events."""
    yield Resource(
        "table",
        "meetings",
        {
            "table_name": blueprint.names.ledger_table,
            "key": "meetingId",
            "indexes": {},
            "point_in_time_recovery": False,
            "deletion_protection": False,
            "billing_mode": "PAY_PER_REQUEST",
            "ttl_attribute": "ttl",
            "tags": blueprint.names.tags,
        },
    )

    if blueprint.settings.chime.events:
        _require_one_region(blueprint)
        policy = _event_log_policy(blueprint)
        group = log_group(blueprint, EVENTS, blueprint.names.chime_event_log_group, resource_policy=policy)
        yield group
        yield _event_rule(blueprint, group)


def _event_rule(blueprint: Blueprint, group: Resource) -> Resource:
    return Resource(
        "event_rule",
        EVENTS,
        {
            "rule_name": blueprint.names.chime_event_rule,
            "event_pattern": {"source": ["aws.chime"], "detail-type": ["Chime Meeting State Change"]},
            "schedule": None,
            "state": "ENABLED",
            "target_arn": _event_log_group(blueprint),
            "tags": blueprint.names.tags,
        },
        frozenset({group.address}),
    )


def _event_log_policy(blueprint: Blueprint) -> Document:
    """Lets the rule write (EventBridge User Guide, "CloudWatch Logs permissions": the statements are those of that page)."""
    group, rule = (
        _event_log_group(blueprint),
        EventRule.arn.of(blueprint.place, blueprint.names.chime_event_rule),
    )
    principal = {"Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]}}
    condition = {"Condition": {"ArnEquals": {"aws:SourceArn": rule}}}
    return document(
        {**allow("CreateLogStream", ["logs:CreateLogStream"], f"{group}:*"), **principal},
        {**allow("PutLogEvents", ["logs:PutLogEvents"], f"{group}:*:*"), **principal, **condition},
    )


def _event_log_group(blueprint: Blueprint) -> str:
    return LogGroup.arn.of(blueprint.place, blueprint.names.chime_event_log_group)


def _require_one_region(blueprint: Blueprint) -> None:
    """Events are sent in the control Region, and a rule writes to a log group of its own Region only."""
    stack, control = blueprint.settings.aws.region, blueprint.settings.chime.region
    if stack != control:
        raise ConfigError(
            f"chime.events: true is not possible here: the stack is in {stack}, and Chime sends its events in {control} "
            "(chime.region).",
            hint=f"Set chime.region: {stack} if Chime has it as a control Region, or chime.events: false.",
        )


def chime_policy(blueprint: Blueprint) -> Document:
    """What the application needs for meetings: the guide's seven actions, and GetAttendee.

    CreateMeeting knows no resource, so it needs "*"; all others are limited to the account's meetings.
    """
    return document(
        allow("CreateMeetings", ["chime:CreateMeeting"], "*"),
        allow(
            "UseMeetings",
            actions(
                "chime",
                "GetMeeting DeleteMeeting CreateAttendee BatchCreateAttendee GetAttendee ListAttendees DeleteAttendee",
            ),
            _meetings(blueprint),
        ),
    )


def signalling_statements(blueprint: Blueprint) -> Iterator[Document]:
    """What `chime.signalling` adds to the functions' policy: rows of the ledger, and meetings in `chime.region`."""
    if not blueprint.settings.chime.signalling:
        return
    ledger = Table.arn.of(blueprint.place, blueprint.names.ledger_table)
    yield allow("Meetings", actions("dynamodb", "GetItem PutItem UpdateItem DeleteItem"), ledger)
    yield allow("CreateMeetings", ["chime:CreateMeeting"], "*")
    yield allow(
        "UseMeetings",
        actions("chime", "GetMeeting DeleteMeeting CreateAttendee ListAttendees DeleteAttendee"),
        _meetings(blueprint),
    )


def signalling_variables(blueprint: Blueprint) -> dict[str, str]:
    """What `chime.signalling` adds to the variables of the default function."""
    chime = blueprint.settings.chime
    if not chime.signalling:
        return {}
    return {
        "SIGNALLING_TABLE": blueprint.names.ledger_table,
        "SIGNALLING_REGION": chime.region,
        "SIGNALLING_MEDIA_REGION": chime.media_region,
        "SIGNALLING_MEETINGS_PER_USER": str(chime.signalling_meetings_per_user),
    }


def _meetings(blueprint: Blueprint) -> str:
    place, region = blueprint.place, blueprint.settings.chime.region
    return f"arn:{place.partition}:chime:{region}:{place.account_id}:meeting/*"


def operator_statements(blueprint: Blueprint) -> Iterator[Document]:
    """The rows of the ledger, and all that the application may do."""
    ledger = Table.arn.of(blueprint.place, blueprint.names.ledger_table)
    yield allow("Tables", actions("dynamodb", "Scan GetItem DeleteItem"), ledger)
    # With the lock: what else that statement allows on a table, `Tables` allows on the ledger anyway.
    yield allow("Lock", actions("dynamodb", "PutItem UpdateItem"), ledger)
    if blueprint.settings.chime.events:
        group = _event_log_group(blueprint)
        yield allow("ChimeEvents", ["logs:FilterLogEvents"], [group, f"{group}:*"])
    create, use = chime_policy(blueprint)["Statement"]
    yield {**create, "Sid": "Anywhere"}
    # What only operators call. GetServiceQuota and LookupEvents know no resource (Service Authorization Reference).
    of_operators = [
        *use["Action"],
        *actions("chime", "UpdateAttendeeCapabilities BatchUpdateAttendeeCapabilitiesExcept"),
    ]
    yield {**use, "Sid": "Use", "Action": of_operators}
    yield allow("Anywhere", ["servicequotas:GetServiceQuota", "cloudtrail:LookupEvents"], "*")


PART: Final = Part(resources, operator_statements)
