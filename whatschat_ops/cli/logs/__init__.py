"""Commands of the group `logs`."""
