"""The WebSocket side: endpoints, tokens, sockets, the connections table, `@connections`, broadcast.

tokens ──▶ handshake ──▶ client (one socket) ──▶ session (a long conversation), sending (one message)
store (the table), management (`@connections`) ──▶ broadcast
endpoint, close_codes: pure knowledge
"""
