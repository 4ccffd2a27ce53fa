"""A WebSocket client of the API: tokens, the handshake, one socket, a conversation over it.

tokens ──▶ handshake ──▶ client (one socket) ──▶ session (a long conversation), sending (one message)
events (what a conversation records), close_codes (what a close code means)
"""
