"""What each command prints with --json. A command that is new gets a row; `whatschat_ops/schemas` is made from these types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from whatschat_ops.audit.entry import AuditEntry
from whatschat_ops.broadcast.distributed.steering import Stopped
from whatschat_ops.broadcast.estimate import BroadcastEstimate
from whatschat_ops.broadcast.housekeeping import HousekeepingEstimate
from whatschat_ops.broadcast.journal.failed import FailedConnection
from whatschat_ops.broadcast.journal.summary import RunDetails, RunSummary
from whatschat_ops.budgets.guard import Watched
from whatschat_ops.calls.meeting import MeetingReport
from whatschat_ops.calls.report import CallReport
from whatschat_ops.calls.simulated import SimulatedReport
from whatschat_ops.chime.api_calls import FailedCall
from whatschat_ops.chime.events import MeetingEvent
from whatschat_ops.chime.metering import UsageReport
from whatschat_ops.chime.models import Attendee, AttendeeBatch, Meeting, MeetingRecord
from whatschat_ops.cli.chime.check import ChimeCheck
from whatschat_ops.cli.chime.events import EventReport
from whatschat_ops.cli.chime.results import (
    ChangedCapabilities,
    CreatedMeeting,
    DeletedAttendee,
    DeletedMeeting,
    Sweep,
)
from whatschat_ops.cli.completion import Script
from whatschat_ops.cli.config import SettingRow, ValidationResult
from whatschat_ops.cli.cost.budget import BudgetChange
from whatschat_ops.cli.cost.report import WrittenPage
from whatschat_ops.cli.doctor_bundle import WrittenBundle
from whatschat_ops.cli.environments import CreatedFile, Environment, WhoAmI
from whatschat_ops.cli.explain import Explanation, Topic
from whatschat_ops.cli.local import LogLine
from whatschat_ops.cli.logs.showing import LogRecord
from whatschat_ops.cli.logs.trace_view import TraceResult
from whatschat_ops.cli.migrate.status import MigrationStatus
from whatschat_ops.cli.migrate.view import StepResult
from whatschat_ops.cli.stack.applying import DestroyResult
from whatschat_ops.cli.stack.provision import ProvisionResult, UnlockResult
from whatschat_ops.cli.stack.table import TableResult
from whatschat_ops.cli.version import Version
from whatschat_ops.cli.ws.broadcasts import DeletedRuns
from whatschat_ops.cli.ws.connection_row import ConnectionRow
from whatschat_ops.cli.ws.connections import ConnectionDetails, DeletedConnection
from whatschat_ops.cli.ws.connections_watch import ConnectionChange
from whatschat_ops.cli.ws.conversation import MessageLine
from whatschat_ops.cli.ws.group import Posted
from whatschat_ops.cli.ws.run_reports import DisconnectRun, PruneRun
from whatschat_ops.config.reference import DescribedSetting
from whatschat_ops.connections.disconnecting import DisconnectReport
from whatschat_ops.connections.pruning import PruneReport
from whatschat_ops.connections.statistics import ConnectionStats
from whatschat_ops.cost.cards import CardRow, RateChange, RateRow
from whatschat_ops.cost.compare import Comparison as MonthComparison
from whatschat_ops.cost.curve import Curve
from whatschat_ops.cost.result import Estimate
from whatschat_ops.doctor.check import CheckResult
from whatschat_ops.endpoint import Endpoint
from whatschat_ops.environment.check import FileCheck
from whatschat_ops.environment.render import EnvironmentFile, WrittenFile
from whatschat_ops.load.comparison import Comparison as PathComparison
from whatschat_ops.load.distributed.estimate import LoadEstimate
from whatschat_ops.load.report import LoadReport
from whatschat_ops.local.own_api import AttendanceResult, ClockResult
from whatschat_ops.local.service import LocalService, LocalStatus, ResetResult, StopResult
from whatschat_ops.metrics.report import MetricsReport
from whatschat_ops.migration.gating import Replay
from whatschat_ops.migration.history import MigrationChange
from whatschat_ops.pricing.offers import Refreshed
from whatschat_ops.provision.report import PlanReport
from whatschat_ops.sockets.sending import Receipt
from whatschat_ops.sockets.tokens import Inspection, MintedToken
from whatschat_ops.stack.attachments import Attachment
from whatschat_ops.stack.cloudformation.exporting import ExportedTemplate
from whatschat_ops.stack.iam_check.check import PermissionCheck
from whatschat_ops.stack.lambdas.functions import DeployedFunction, InvocationResult, WrittenZip
from whatschat_ops.stack.lambdas.lifecycle import Moved
from whatschat_ops.stack.secret_rotation import Rotated
from whatschat_ops.stack.status import StackStatus, StatusChange, TableDescription
from whatschat_ops.usage.actual import Actual
from whatschat_ops.usage.calculator import Verification
from whatschat_ops.usage.forecast import Forecast
from whatschat_ops.usage.logs.importing import Imported
from whatschat_ops.usage.reconcile import Reconciliation
from whatschat_ops.watch.snapshot import Snapshot


@dataclass(frozen=True)
class Failed:
    """What was wrong."""

    code: str
    """What kind of error it is: a stable word, such as `not_found`."""
    message: str
    """One or two sentences for people."""
    hint: str | None
    """What to do next, in words, with the command if there is one."""
    argv: list[str] | None
    """The command of the hint, ready to run."""


@dataclass(frozen=True)
class ErrorDocument:
    """What any command prints with --json instead of a result; the exit code is not 0."""

    error: Failed


@dataclass(frozen=True)
class Lines:
    """A command that prints one document on each line, as they come."""

    type: Any


Shapes: TypeAlias = Sequence[Any]
"""The documents that a command may print, each a type or `Lines`."""
AnyObject: TypeAlias = Mapping[str, Any]
"""An object of AWS's own, or of a format that is not ours."""

RESULTS: Final[Mapping[str, Shapes]] = {
    "error": [ErrorDocument],
    "version": [Version],
    "init": [CreatedFile],
    "provision": [ProvisionResult],
    "plan": [PlanReport],
    "status": [StackStatus, Lines(StatusChange)],
    "destroy": [DestroyResult],
    "unlock": [UnlockResult],
    "watch": [Lines(Snapshot)],
    "doctor": [list[CheckResult], WrittenBundle, Lines(CheckResult)],
    "explain": [list[Topic], Explanation],
    "schema": [AnyObject, list[str]],
    "whoami": [WhoAmI],
    "completion": [Script],
    "config show": [list[SettingRow]],
    "config validate": [ValidationResult],
    "config schema": [AnyObject],
    "config reference": [list[DescribedSetting]],
    "local start": [LocalService],
    "local stop": [StopResult],
    "local status": [LocalStatus],
    "local reset": [ResetResult],
    "local logs": [Lines(LogLine)],
    "local env": [Mapping[str, str]],
    "local clock advance": [ClockResult],
    "local chime attend": [AttendanceResult],
    "local chime leave": [AttendanceResult],
    "audit list": [list[AuditEntry]],
    "table create": [TableResult],
    "table describe": [TableDescription],
    "table delete": [DestroyResult],
    "lambda package": [list[WrittenZip]],
    "lambda deploy": [list[DeployedFunction]],
    "lambda promote": [list[Moved]],
    "lambda rollback": [list[Moved]],
    "lambda list": [list[DeployedFunction]],
    "lambda invoke": [InvocationResult, AnyObject],
    "iam policies": [AnyObject],
    "iam attach": [Attachment],
    "iam detach": [Attachment],
    "iam check": [list[PermissionCheck]],
    "token mint": [MintedToken],
    "token inspect": [Inspection],
    "token secret rotate": [Rotated],
    "ws endpoint": [Endpoint],
    "ws connect": [Lines(MessageLine)],
    "ws chat": [Lines(MessageLine)],
    "ws listen": [Lines(MessageLine)],
    "ws send": [Receipt, Posted],
    "ws broadcast": [RunSummary, BroadcastEstimate],
    "ws broadcasts list": [list[RunSummary]],
    "ws broadcasts show": [RunDetails, Lines(FailedConnection)],
    "ws broadcasts stop": [Stopped],
    "ws broadcasts delete": [DeletedRuns],
    "ws connections list": [list[ConnectionRow], Lines(ConnectionChange)],
    "ws connections get": [ConnectionDetails],
    "ws connections delete": [DeletedConnection],
    "ws connections stats": [ConnectionStats],
    "ws prune": [PruneReport, PruneRun, HousekeepingEstimate],
    "ws disconnect": [DisconnectReport, DisconnectRun, HousekeepingEstimate],
    "ws load": [LoadReport, LoadEstimate],
    "ws compare": [PathComparison],
    "chime check": [ChimeCheck],
    "chime meeting create": [CreatedMeeting],
    "chime meeting get": [Meeting],
    "chime meeting list": [list[MeetingRecord]],
    "chime meeting delete": [list[DeletedMeeting]],
    "chime meeting sweep": [Sweep],
    "chime attendee create": [list[Attendee]],
    "chime attendee batch": [AttendeeBatch],
    "chime attendee list": [list[Attendee]],
    "chime attendee get": [Attendee],
    "chime attendee join-info": [AnyObject],
    "chime attendee capabilities": [ChangedCapabilities, list[Attendee]],
    "chime attendee delete": [DeletedAttendee],
    "chime usage": [UsageReport],
    "chime events": [EventReport, list[FailedCall], Lines(MeetingEvent)],
    "metrics show": [MetricsReport],
    "call test": [CallReport, SimulatedReport, MeetingReport],
    "logs tail": [Lines(LogRecord)],
    "logs trace": [TraceResult],
    "cost estimate": [Estimate, Curve],
    "cost report": [WrittenPage],
    "cost compare": [MonthComparison],
    "cost actual": [Actual],
    "cost reconcile": [Reconciliation],
    "cost verify": [Verification],
    "cost forecast": [Forecast],
    "cost budget show": [Watched],
    "cost budget set": [BudgetChange],
    "cost budget delete": [BudgetChange],
    "cost rates list": [list[CardRow]],
    "cost rates show": [list[RateRow]],
    "cost rates diff": [list[RateChange]],
    "cost rates refresh": [Refreshed],
    "cost usage import": [Imported],
    "migrate status": [MigrationStatus],
    "migrate plan": [StepResult, list[Replay]],
    "migrate start": [StepResult],
    "migrate advance": [StepResult],
    "migrate hold": [StepResult],
    "migrate rollback": [StepResult],
    "migrate history": [list[MigrationChange]],
    "env render backend": [EnvironmentFile, WrittenFile],
    "env render frontend": [EnvironmentFile, WrittenFile],
    "env check": [list[FileCheck]],
    "env list": [list[Environment]],
    "export cloudformation": [ExportedTemplate],
}
"""Of the commands, in the order of `--help`; `error` and `version` (`--version --json`) come first."""
