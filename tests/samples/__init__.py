"""AWS's published samples, and stacks of usual tools, on the embedded AWS: deployed unmodified, used, deleted.

    WHATSCHAT_SAMPLES_DIR=checkouts python -m tests.samples [--only NAME]... [--tools DIRECTORY] [--write]

`WHATSCHAT_SAMPLES_DIR` has checkouts of github.com/aws-samples/simple-websockets-chat-app and github.com/aws/amazon-chime-sdk-js. The tools
come from npm and PyPI, into a directory that further runs use again. The samples run with the embedded AWS's address and key in the variables
that AWS's tools read (`local env`), and with nothing else changed; telemetry is off. `--write` puts the table into docs/samples.md.
"""
