"""The application's backend: what it may do with this stack's connections and with meetings. Pure; it has no resources here."""

from __future__ import annotations

from collections.abc import Iterator

from whatschat_ops.quotas import CHIME_CONTROL_REGIONS
from whatschat_ops.stack.iam_documents import Document, actions, allow, document
from whatschat_ops.stack.parts.blueprint import Blueprint


def backend_policy(blueprint: Blueprint) -> Document:
    """@connections of this API and stage, and the guide's seven operations of Chime.

    One statement per method: PostToConnection is POST, GetConnection is GET, DeleteConnection is DELETE (API Gateway
    developer guide, "Use @connections commands in your backend service").
    """
    return document(
        *_connections(blueprint),
        allow("CreateMeetings", ["chime:CreateMeeting"], "*"),
        allow(
            "UseMeetings",
            actions(
                "chime",
                "GetMeeting DeleteMeeting CreateAttendee BatchCreateAttendee ListAttendees DeleteAttendee",
            ),
            _meetings(blueprint),
        ),
    )


def _connections(blueprint: Blueprint) -> Iterator[Document]:
    stage = blueprint.settings.websocket.stage
    for sid, method in (
        ("SendToConnections", "POST"),
        ("GetConnections", "GET"),
        ("CloseConnections", "DELETE"),
    ):
        resource = blueprint.place.connections(blueprint.api_id, stage, method)
        yield allow(sid, ["execute-api:ManageConnections"], resource)


def _meetings(blueprint: Blueprint) -> str | list[str]:
    """The account's meetings where the backend makes them: `ChimeService` calls AWS_REGION, others AWS_CHIME_REGION."""
    place, region = blueprint.place, blueprint.settings.chime.region
    own = [place.region] if place.region in CHIME_CONTROL_REGIONS else []
    arns = [
        f"arn:{place.partition}:chime:{each}:{place.account_id}:meeting/*"
        for each in dict.fromkeys([region, *own])
    ]
    return arns if len(arns) > 1 else arns[0]
