"""A load test from Lambda functions: what each worker does, and the command that starts, stops and adds them up.

sharing.py   the plan of the whole divided among workers, with its bounds: both sides
handler.py   what Lambda calls: one worker's share of the test
engine.py    the command's side: objects in S3, invocations, one report of all
estimate.py  what it would come to
"""
