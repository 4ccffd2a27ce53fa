"""What operators did through this program: one row for the start of an action and one for its outcome, in a table of their own."""

from whatschat_ops.audit.action import AuditedAction
from whatschat_ops.audit.entry import AuditEntry, Outcome
from whatschat_ops.audit.log import AuditLog

__all__ = ["AuditEntry", "AuditLog", "AuditedAction", "Outcome"]
