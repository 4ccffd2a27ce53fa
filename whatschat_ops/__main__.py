"""`python -m whatschat_ops` is the same program as `whatschat-ops`."""

from whatschat_ops.cli.main import run

if __name__ == "__main__":
    run()
