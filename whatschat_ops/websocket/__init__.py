"""The WebSocket side: endpoints, tokens, sockets, the connections table, `@connections`.

tokens ──▶ handshake ──▶ client (one socket) ──▶ session (a long conversation), sending (one message)
store (the table), management (`@connections`)
endpoint, close_codes: pure knowledge
"""
