"""`whatschat-ops chime`."""
