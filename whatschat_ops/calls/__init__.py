"""A test call: two peers of our own that signal through the WebSocket API, or a meeting that is made and deleted.

stages, diagnosis, vocabulary, tone (pure) ◀── native (two `peer`s and their `signalling`), simulated (nothing leaves the process), meeting (Chime)
"""
