"""Looking after the connections: `statistics` (who is there), `pruning` (dead rows), `disconnecting` (live sockets).

rows (streamed from the table) ──▶ parallel (threads, at a pace) ──▶ one outcome for each row ──▶ counts
"""
