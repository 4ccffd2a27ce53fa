"""The code that runs in Lambda behind the three routes of the WebSocket API.

One module for each route (`connect`, `disconnect`, `default`) and what they share. It is packaged on its own (see
`whatschat_ops.packaging`): nothing in here imports the rest of whatschat_ops, and nothing but the standard library
and PyJWT (for `connect`, vendored) is needed at run time.

Decisions are pure (`tokens`, `protocol`, `signing`); effects sit behind two small classes (`connections_table`,
`management_api`) on one HTTP client (`aws_api`). There is no boto3 here, for speed: a post through it takes five times
the processor time and nearly twice the memory, and a cold start begins with 0.2 s of it (docs/protocol.md, "Why the
handlers do not use boto3").
"""
