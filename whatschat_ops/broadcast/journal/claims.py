"""Which targets of a journal were begun, and which are next. For the journal only, which locks and explains errors.

New targets are begun in the order of their numbers: `up_to` says how far. The table `again` has those that are begun
again; `begun` there is 0 until they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from whatschat_ops.broadcast.journal.file import FAILED
from whatschat_ops.sender.model import NO_ANSWER, Target

SMALLEST_BLOCK = 64
"""Targets claimed in one transaction, or more if more are asked for. A kill may leave this many in doubt that were
not handed out."""

_read_targets = msgspec.json.Decoder(list[Target]).decode
_WITHOUT_RESULT = "NOT EXISTS (SELECT 1 FROM result WHERE result.number = target.number)"


class Claims:
    """The claims of one journal."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """`database` is open, and this process alone writes to it."""
        self._db = database
        self._up_to: int = database.execute("SELECT up_to FROM claim").fetchone()[0]
        self._again = False
        self._again_up_to = 0
        self._block: Sequence[Target] = ()
        self._block_at = 0

    @property
    def up_to(self) -> int:
        """The highest number that was begun."""
        return self._up_to

    def take(self, limit: int, listed: int) -> Sequence[Target]:
        """At most `limit` of the targets up to the number `listed`; written down as begun."""
        batch = self._from_block(limit)
        if len(batch) < limit:
            missing = limit - len(batch)
            self._block, self._block_at = self._next_block(max(missing, SMALLEST_BLOCK), listed), 0
            batch = [*batch, *self._from_block(missing)]
        return batch

    def _from_block(self, limit: int) -> Sequence[Target]:
        part = self._block[self._block_at : self._block_at + limit]
        self._block_at += len(part)
        return part

    def queue_in_doubt(self) -> int:
        """Queue what was begun and has no result to be begun again. Returns how many those are."""
        self._db.execute(
            f"INSERT OR IGNORE INTO again SELECT number, 1 FROM target WHERE number <= ? AND {_WITHOUT_RESULT}",
            (self._up_to,),
        )
        self._db.execute("DELETE FROM again WHERE number IN (SELECT number FROM result)")
        self._again = True
        return self._db.execute("UPDATE again SET begun = 0 WHERE begun = 1").rowcount

    def queue_failed(self) -> int:
        """Queue what failed to be begun again: the outcome is deleted, its attempts still count.

        Returns how many of them may have got the message, because their last attempt had no answer.
        """
        failed = (FAILED,)
        in_doubt: int = self._db.execute(
            "SELECT count(*) FROM result WHERE outcome = ? AND substr(reason, 1, ?) = ?",
            (FAILED, len(NO_ANSWER), NO_ANSWER),
        ).fetchone()[0]
        self._db.execute(
            "INSERT OR REPLACE INTO again SELECT number, 0 FROM result WHERE outcome = ?", failed
        )
        self._db.execute(
            "UPDATE state SET earlier_attempts = earlier_attempts + "
            "(SELECT coalesce(sum(attempts), 0) FROM result WHERE outcome = ?)",
            failed,
        )
        self._db.execute("DELETE FROM result WHERE outcome = ?", failed)
        return in_doubt

    def give_back(self, *, in_order: bool) -> None:
        """What was claimed and not handed out was not begun. `in_order`: nor is anything that has no outcome."""
        unused = self._block[self._block_at :]
        self._db.executemany(
            "INSERT OR REPLACE INTO again VALUES (?, 0)", [(target.number,) for target in unused]
        )
        if in_order:
            self._db.execute(
                f"INSERT OR REPLACE INTO again SELECT number, 0 FROM target WHERE number <= ? AND {_WITHOUT_RESULT}",
                (self._up_to,),
            )
        self._block, self._block_at = (), 0

    def _next_block(self, size: int, listed: int) -> Sequence[Target]:
        if self._again:
            block = self._block_again(size)
            if block:
                return block
            self._again = False
        return self._new_block(size) if self._up_to < listed else ()

    def _block_again(self, size: int) -> Sequence[Target]:
        block = self._targets(
            "SELECT number, connection_id FROM again JOIN target USING (number) "
            f"WHERE number > ? AND begun = 0 AND {_WITHOUT_RESULT} ORDER BY number LIMIT ?",
            (self._again_up_to, size),
        )
        if block:
            last = block[-1].number
            self._db.execute(
                "UPDATE again SET begun = 1 WHERE begun = 0 AND number > ? AND number <= ?",
                (self._again_up_to, last),
            )
            self._again_up_to = last  # or each block would look through all that came before it
        return block

    def _new_block(self, size: int) -> Sequence[Target]:
        block = self._targets(
            "SELECT number, connection_id FROM target WHERE number > ? ORDER BY number LIMIT ?",
            (self._up_to, size),
        )
        self._db.execute("UPDATE claim SET up_to = ?", (block[-1].number,))
        self._up_to = block[-1].number
        return block

    def _targets(self, question: str, values: tuple[int, ...]) -> list[Target]:
        """The answer in the order of numbers. One row of JSON: see file.py."""
        (text,) = self._db.execute(
            f"SELECT json_group_array(json_array(number, connection_id)) FROM ({question})", values
        ).fetchone()
        return sorted(_read_targets(text))
