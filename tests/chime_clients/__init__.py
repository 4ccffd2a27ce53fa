"""One conversation with the Chime service, held by three clients: boto3, the AWS CLI and the JavaScript SDK v3.

    python -m tests.chime_clients [--write]

`steps` says what is asked and what comes of it, `clients` sends it. `--write` puts the table into docs/chime-clients.md.
"""
