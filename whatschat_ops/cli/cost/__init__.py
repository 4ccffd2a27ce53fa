"""`whatschat-ops cost`."""
