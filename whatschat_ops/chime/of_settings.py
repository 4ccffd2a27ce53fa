"""The `ChimeService` and the `Metering` of an environment: the program's own way to them, through its settings and its ledger."""

from __future__ import annotations

from typing import Any

from whatschat_ops.aws import Aws
from whatschat_ops.chime.events import EventLog
from whatschat_ops.chime.ledger import MeetingLedger
from whatschat_ops.chime.metering import Metering
from whatschat_ops.chime.minutes import prices_in
from whatschat_ops.chime.service import ChimeService
from whatschat_ops.config import Names, Settings


def chime_service(aws: Aws, settings: Settings) -> ChimeService:
    """Chime SDK meetings, and the ledger of those created here."""

    def client_in(region: str) -> Any:
        return aws.client("chime-sdk-meetings", region=region)

    chime = settings.chime
    return ChimeService(
        client_in(chime.region),
        MeetingLedger(aws.client("dynamodb"), Names(settings).ledger_table),
        media_region=chime.media_region,
        client_in=client_in,
        enabled=chime.enabled,
    )


def metering(aws: Aws, settings: Settings) -> Metering:
    """What the meetings have used."""
    ledger = MeetingLedger(aws.client("dynamodb"), Names(settings).ledger_table)
    # Without events nothing is measured, and no prices need to be read.
    prices = prices_in(settings.chime.region) if settings.chime.events else {}
    return Metering(EventLog(aws, settings), ledger, prices)
