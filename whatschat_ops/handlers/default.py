"""$default: every message of a client.

A route without a route response sends nothing back, so every answer is a post to the sender's connection. Whatever
the message, Lambda's answer is 200: what went wrong is told to the sender as an `error` message, and to us in the log.
A ping costs one post and no read of the table.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Protocol

from . import protocol
from .aws_api import AwsApi, AwsCallFailed, NotConfigured
from .connections_table import ConnectionsTable, table_name
from .delivery import Delivering, Delivery, Post, Table, UserOutcome
from .limits import MAX_MESSAGE_BYTES
from .log import Log
from .management_api import ManagementApi, PostOutcome, endpoint_url
from .protocol import Echo, Ping, Refused, SendMessage, Signal

OK: Final = {"statusCode": 200}


class SenderTable(Table, Protocol):
    """The part of ConnectionsTable that is needed here."""

    def user_of(self, connection_id: str, now_s: float) -> str | None:
        """The user of a live connection; raises AwsCallFailed."""
        ...


class Conversation:
    """One message, its sender's connection, and what answering takes."""

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
    ) -> None:
        self._connection_id = connection_id
        self._fallback_message_id = fallback_message_id
        self._table = table
        self._management = management
        self._now_s = now_s
        self._deadline_s = time.monotonic() + seconds_left
        self._log = log

    def answer(self, body: str | None, is_base64: bool) -> None:
        """Carry out what the message asks for, and tell the sender."""
        match protocol.parse_message(body, is_base64):
            case Ping(id=message_id):
                outcome = self._reply(protocol.pong(message_id, self._now_ms))
                self._log.debug("ping", outcome.value)
            case Echo(original=original):
                outcome = self._reply(protocol.echo(original))
                self._log.info("echo", outcome.value)
            case Refused(code=code, reason=reason, id=message_id):
                self._refuse("refused", code, reason, message_id)
            case SendMessage() as command:
                self._relay("message:send", command)
            case Signal() as command:
                self._relay(command.message["type"], command)

    @property
    def _now_ms(self) -> int:
        return int(self._now_s * 1000)

    def _relay(self, event: str, command: SendMessage | Signal) -> None:
        """Deliver a message in the name of the sender, who is whom the table says, not whom the message says."""
        try:
            sender = self._table.user_of(self._connection_id, self._now_s)
        except AwsCallFailed as failure:
            self._log.error(event, "failed", reason=str(failure))
            self._refuse(
                event, "internal_error", "the message could not be handled; send it again", command.id
            )
            return
        if sender is None:
            self._refuse(event, "not_connected", "this connection has no user; connect again", command.id)
        elif isinstance(command, SendMessage):
            self._send_message(event, command, sender)
        else:
            self._signal(event, command, sender)

    def _send_message(self, event: str, command: SendMessage, sender: str) -> None:
        message_id = self._fallback_message_id if command.id is None else command.id
        message = protocol.message_received(command, message_id, sender, self._now_ms)
        delivery = self._deliver(event, command.recipients, message, sender, message_id)
        if delivery is not None:
            self._reply(protocol.message_sent(message_id, self._now_ms, delivery.counts()))

    def _signal(self, event: str, command: Signal, sender: str) -> None:
        """Signalling is frequent and has its own answers, so only a failure is reported back."""
        target = command.target_user_id
        delivery = self._deliver(
            event, (target,), protocol.signal_received(command, sender), sender, command.id
        )
        if delivery is None or delivery.by_user[target] is UserOutcome.DELIVERED:
            return
        if delivery.by_user[target] is UserOutcome.OFFLINE:
            self._reply(protocol.error("target_offline", "the user has no live connection", command.id))
        else:
            self._reply(protocol.error("delivery_failed", "the user could not be reached", command.id))

    def _deliver(
        self,
        event: str,
        users: tuple[str, ...],
        message: protocol.Json,
        sender: str,
        message_id: protocol.MessageId | None,
    ) -> Delivery | None:
        """None when the message is too large to be sent; the sender then knows."""
        data = protocol.encode(message)
        if len(data) > MAX_MESSAGE_BYTES:
            self._refuse_size(event, len(data), message_id)
            return None
        delivery = Delivering(self._table, self._management, self._deadline_s, self._log).deliver(
            users, data, self._now_s
        )
        if delivery.posts.get(PostOutcome.TOO_LARGE):
            self._refuse_size(event, len(data), message_id)
            return None
        self._log.info(
            event, "delivered", userId=sender, gone=delivery.posts[PostOutcome.GONE], **delivery.counts()
        )
        return delivery

    def _refuse_size(self, event: str, size_bytes: int, message_id: protocol.MessageId | None) -> None:
        reason = f"a message can have {MAX_MESSAGE_BYTES} bytes with its envelope, not {size_bytes}"
        self._refuse(event, "message_too_large", reason, message_id)

    def _refuse(
        self, event: str, code: protocol.ErrorCode, reason: str, message_id: protocol.MessageId | None
    ) -> None:
        self._log.info(event, "refused", code=code)
        self._reply(protocol.error(code, reason, message_id))

    def _reply(self, message: protocol.Json) -> PostOutcome:
        """Post to the sender. A sender that is gone needs no answer."""
        outcome = self._management.post(self._connection_id, protocol.encode(message), self._log)
        if outcome is PostOutcome.TOO_LARGE:  # an echo is larger than what it echoes
            small = protocol.error("message_too_large", "the answer does not fit in a message")
            outcome = self._management.post(self._connection_id, protocol.encode(small), self._log)
        return outcome


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Lambda's entry."""
    request_context = event["requestContext"]
    connection_id = request_context["connectionId"]
    log = Log(context.aws_request_id, connection_id)
    try:
        conversation = Conversation(
            connection_id,
            str(request_context.get("messageId") or context.aws_request_id),
            _table(),
            _management(endpoint_url(os.environ, request_context)),
            now_s=time.time(),
            seconds_left=context.get_remaining_time_in_millis() / 1000,
            log=log,
        )
        conversation.answer(event.get("body"), bool(event.get("isBase64Encoded")))
    except NotConfigured as failure:
        log.error("default", "failed", reason=str(failure))
    return OK


@cache
def _api() -> AwsApi:
    return AwsApi(os.environ)


@cache
def _table() -> ConnectionsTable:
    return ConnectionsTable(_api(), table_name(os.environ))


@cache
def _management(url: str) -> ManagementApi:
    return ManagementApi(_api(), url)
