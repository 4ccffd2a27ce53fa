"""$default: every message of a client.

A route without a route response sends nothing back, so every response is a post to the sender's connection. Lambda's
own response is always 200: errors go to the sender as an `error` message, and to the log. A ping costs one post and
no read of the table.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from . import protocol
from .aws_api import AwsApi, AwsCallFailed, NotConfigured
from .connections_table import ConnectionsTable, table_name
from .delivery import Delivering, Delivery, Post, Table, UserOutcome
from .limits import MAX_MESSAGE_BYTES
from .log import Log, line_of
from .management_api import ManagementApi, PostOutcome, endpoint_url
from .protocol import Deliver, Echo, Ping, Refused, Signal

if TYPE_CHECKING:
    from .signalling import Served

OK: Final = {"statusCode": 200}


class SenderTable(Table, Protocol):
    """The part of ConnectionsTable that this module needs."""

    def user_of(self, connection_id: str, now_s: float) -> str | None:
        """The user of a live connection; raises AwsCallFailed."""
        ...


class Serve(Protocol):
    """The part of Signalling that this module needs."""

    def serve(self, signal: Signal, user: str) -> Served:
        """Do what a message about a meeting asks for; raises signalling.Refused."""
        ...


class Conversation:
    """One message, its sender's connection, and what a response needs."""

    def __init__(
        self,
        connection_id: str,
        fallback_message_id: str,
        table: SenderTable,
        management: Post,
        *,
        now_s: float,
        seconds_left: float,
        log: Log,
        meetings: Serve | None = None,
    ) -> None:
        self._connection_id = connection_id
        self._meetings = meetings
        self._fallback_message_id = fallback_message_id
        self._table = table
        self._management = management
        self._now_s = now_s
        self._deadline_s = time.monotonic() + seconds_left
        self._log = log

    def answer(self, body: str | None, is_base64: bool) -> None:
        """Do what the message asks for, and respond to the sender."""
        match protocol.parse_message(body, is_base64, signalling=self._meetings is not None):
            case Ping(id=message_id):
                outcome = self._reply(protocol.pong(message_id, self._now_ms))
                self._log.ends(outcome, event="ping", level="DEBUG")
            case Echo(original=original):
                outcome = self._reply(protocol.echo(original))
                self._log.ends(outcome, event="echo")
            case Refused(code=code, reason=reason, id=message_id):
                self._refuse("refused", code, reason, message_id)
            case Deliver() as command:
                self._deliver(command)
            case Signal() as signal:
                self._signal(signal)

    @property
    def _now_ms(self) -> int:
        return int(self._now_s * 1000)

    def _deliver(self, command: Deliver) -> None:
        """Deliver a message from the sender, who is the user in the connection's row."""
        sender = self._sender(command)
        if sender is None:
            return
        has_receipt = command.route.has_receipt
        message_id = self._fallback_message_id if has_receipt and command.id is None else command.id
        data = protocol.encode(protocol.delivered(command, message_id, sender, self._now_ms))
        delivery = self._post_to_users(command, data, sender)
        if delivery is None:
            self._refuse_size(command.type, len(data), message_id)
        elif has_receipt:
            self._reply(protocol.message_sent(message_id, self._now_ms, delivery.counts()))
        else:
            self._report_failure(delivery, message_id)

    def _signal(self, signal: Signal) -> None:
        """Serve a message about a meeting; then tell the others in it."""
        from .signalling import Refused as MeetingRefused

        sender = self._sender(signal)
        if sender is None or self._meetings is None:
            return
        try:
            served = self._meetings.serve(signal, sender)
        except MeetingRefused as refused:
            if refused.cause:
                self._log.problem(refused.cause)
            self._refuse(signal.type, refused.code, refused.reason, signal.id)
            return
        self._reply(
            protocol.served(
                served.type, served.data, self._now_ms, message_id=signal.id, beside=served.beside
            )
        )
        self._log.ends("served", event=signal.type)
        if (told := served.told) is not None and told.users:
            event = protocol.served(told.type, told.data, self._now_ms, sender=sender)
            Delivering(self._table, self._management, self._deadline_s, self._log).deliver(
                told.users, protocol.encode(event), self._now_s
            )

    def _sender(self, command: Deliver | Signal) -> str | None:
        """The user of this connection. None when it is unknown; the client then gets an error."""
        try:
            sender = self._table.user_of(self._connection_id, self._now_s)
        except AwsCallFailed as failure:
            self._log.problem(str(failure))
            reason = "the message could not be handled; send it again"
            self._refuse(command.type, "internal_error", reason, command.id)
            return None
        if sender is None:
            reason = "this connection has no user; connect again"
            self._refuse(command.type, "not_connected", reason, command.id)
        else:
            self._log.user(sender)
        return sender

    def _post_to_users(self, command: Deliver, data: bytes, sender: str) -> Delivery | None:
        """None when the message is too large to be sent."""
        if len(data) > MAX_MESSAGE_BYTES:
            return None
        delivery = Delivering(self._table, self._management, self._deadline_s, self._log).deliver(
            command.recipients(sender), data, self._now_s
        )
        if delivery.posts.get(PostOutcome.TOO_LARGE):
            return None
        self._log.ends(delivery.outcome(), event=command.type)
        return delivery

    def _report_failure(self, delivery: Delivery, message_id: protocol.MessageId | None) -> None:
        """Signals are frequent and have their own responses, so the sender is told of a failure only."""
        outcomes = list(delivery.by_user.values())
        if failed := outcomes.count(UserOutcome.FAILED):
            reason = "the user" if len(outcomes) == 1 else f"{failed} of {len(outcomes)} users"
            self._reply(protocol.error("delivery_failed", f"{reason} could not be reached", message_id))
        elif set(outcomes) == {UserOutcome.OFFLINE}:
            reason = "the user has" if len(outcomes) == 1 else "the users have"
            self._reply(protocol.error("target_offline", f"{reason} no live connection", message_id))

    def _refuse_size(self, event: str, size_bytes: int, message_id: protocol.MessageId | None) -> None:
        reason = f"a message can have {MAX_MESSAGE_BYTES} bytes with its envelope, not {size_bytes}"
        self._refuse(event, "message_too_large", reason, message_id)

    def _refuse(
        self, event: str, code: protocol.ErrorCode, reason: str, message_id: protocol.MessageId | None
    ) -> None:
        self._log.ends("refused", event=event, reason=code)
        self._reply(protocol.error(code, reason, message_id))

    def _reply(self, message: protocol.Json) -> PostOutcome:
        """Post to the sender. A sender whose connection is closed needs no response."""
        outcome = self._post(protocol.encode(message))
        if outcome is PostOutcome.TOO_LARGE:  # an echo is larger than the original message
            small = protocol.error("message_too_large", "the answer does not fit in a message")
            outcome = self._post(protocol.encode(small))
        return outcome

    def _post(self, data: bytes) -> PostOutcome:
        outcome = self._management.post(self._connection_id, data, self._log)
        self._log.posted(self._connection_id, len(data), outcome)
        return outcome


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """The entry point of the Lambda function."""
    with line_of("default", event, context) as log:
        try:
            _converse(event, context, log)
        except NotConfigured as failure:
            log.problem(str(failure))
    return OK


def _converse(event: Mapping[str, Any], context: Any, log: Log) -> None:
    """Do what the message asks for. Raises NotConfigured."""
    request_context = event["requestContext"]
    body, is_base64 = event.get("body"), bool(event.get("isBase64Encoded"))
    log.received(protocol.size_bytes(body, is_base64))
    conversation = Conversation(
        request_context["connectionId"],
        str(request_context.get("messageId") or context.aws_request_id),
        _table(),
        _management(endpoint_url(os.environ, request_context)),
        now_s=time.time(),
        seconds_left=context.get_remaining_time_in_millis() / 1000,
        log=log,
        meetings=_meetings(),
    )
    conversation.answer(body, is_base64)


@cache
def _api() -> AwsApi:
    return AwsApi(os.environ)


@cache
def _table() -> ConnectionsTable:
    return ConnectionsTable(_api(), table_name(os.environ))


def _meetings() -> Serve | None:
    """None without `chime.signalling`."""
    name = os.environ.get("SIGNALLING_TABLE")
    if not name:
        return None
    # A cold start without signalling does not read these modules.
    from .chime_api import ChimeApi
    from .meetings import MeetingsTable
    from .signalling import Signalling, SignallingSettings

    settings = SignallingSettings.of(os.environ)
    return Signalling(MeetingsTable(_api(), name), ChimeApi(_api()), settings, time.time())


@cache
def _management(url: str) -> ManagementApi:
    return ManagementApi(_api(), url)
