"""The code that runs in Lambda behind the three routes of the WebSocket API.

One module for each route (`connect`, `disconnect`, `default`) and what they share. It is packaged separately (see
`whatschat_ops.packaging`): nothing here imports the rest of whatschat_ops, and at run time only the standard library
and PyJWT (for `connect`, vendored) are needed.

Decisions are pure (`tokens`, `protocol`, `signing`); effects are in two small classes (`connections_table`,
`management_api`) on one HTTP client (`aws_api`). boto3 is not used, for speed: a post through it takes five times the
processor time and nearly twice the memory, and a cold start 0.2 s more (docs/protocol.md, "Why the handlers do not
use boto3").
"""
