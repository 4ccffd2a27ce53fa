"""What is open now, on both paths: rows of sockets, meetings of the ledger, and what the backend publishes of the old path."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from whatschat_ops.aws import Aws
from whatschat_ops.chime.of_settings import chime_service
from whatschat_ops.config import Names, Settings
from whatschat_ops.connections.store import ConnectionStore
from whatschat_ops.errors import AwsError, NotFound
from whatschat_ops.migration.cohort import Service
from whatschat_ops.migration.following import Affected, changed_percent, of_users
from whatschat_ops.migration.old_path import NAMESPACE, dimensions
from whatschat_ops.migration.state import Place

OPEN: Final = "Open"
"""Metric of the backend: sockets that are open on the old server, native calls that are running."""
NEWEST: Final = timedelta(minutes=15)


def open_users(aws: Aws, settings: Settings) -> list[str] | None:
    """The user of each socket that is open on API Gateway, as the table says; None without a table. Reads all of it."""
    store = ConnectionStore(aws, Names(settings).connections_table)
    try:
        return [connection.user_id for connection in store.scan()]
    except NotFound:
        return None


def running_meetings(aws: Aws, settings: Settings) -> int | None:
    """Meetings of the ledger that are not over, as far as it knows without asking Chime; None without Chime or a ledger."""
    if not settings.chime.enabled:
        return None
    try:
        return sum(
            not record.status.over for record in chime_service(aws, settings).list_meetings(check=False)
        )
    except NotFound:
        return None


def left_on_old_path(aws: Aws, stack: str, service: Service, now: datetime) -> int | None:
    """The newest count that the backend published; None when it publishes none, or it may not be read."""
    try:
        points = aws.client("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=OPEN,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions(stack, service).items()],
            StartTime=now - NEWEST,
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
    except AwsError:
        return None
    newest = max(points, key=lambda point: point["Timestamp"], default=None)
    return None if newest is None else int(newest["Maximum"])


def affected(aws: Aws, settings: Settings, old: Place, new: Place) -> list[Affected]:
    """The users of each service that a change moves, with what of it is open on the new path now."""
    found = []
    for service in Service:
        percent = changed_percent(service, old, new)
        if not percent:
            continue
        if service is Service.CHIME:
            found.append(Affected(service, percent, meetings=running_meetings(aws, settings)))
            continue
        users = open_users(aws, settings)
        moved = None if users is None else of_users(users, Names(settings).stack, service, old, new)
        found.append(
            Affected(
                service,
                percent,
                users=None if moved is None else len(set(moved)),
                sockets=None if moved is None else len(moved),
            )
        )
    return found
