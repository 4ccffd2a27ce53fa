"""A WebSocket client of the API: tokens, the handshake, one socket, a session over many.

tokens ──▶ handshake ──▶ client (one socket) ──▶ session (many sockets, one after the other), sending (one message)
events (what happens in a session), close_codes (what a close code means)
"""
