"""The journal of a broadcast: one outcome per connection, in a SQLite file that survives a kill."""
