"""`whatschat-ops ws`."""
