"""Posts one message to many WebSocket connections, as fast as the account allows.

Standard library only: the same files run on an operator's machine and in the Lambda functions of a distributed
broadcast.
"""
