"""Live connections: the table that lists them (`store`), `@connections` (`management`), and housekeeping of both.

rows (streamed from the table) ──▶ parallel (threads, at a request rate) ──▶ one outcome for each row ──▶ counts
statistics (users, ages, orphans), pruning (dead rows), disconnecting (live sockets)
"""
