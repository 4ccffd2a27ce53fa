"""Operate the AWS side of WhatsChat: a WebSocket API and Chime SDK meetings."""

__version__ = "0.1.0"
