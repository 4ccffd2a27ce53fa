"""The life of one connection, from the log groups, the connections table, the audit log and broadcasts' journals."""
