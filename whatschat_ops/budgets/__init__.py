"""A monthly amount that is watched: an AWS Budget of the WebSocket usage types, and an alarm on the rate of messages."""
