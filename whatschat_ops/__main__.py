"""`python -m whatschat_ops` is the same program as `whatschat-ops`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a clone may be run with an older Python
    sys.exit(
        "whatschat-ops needs Python 3.11 or newer, and this is Python {}.{}. "
        "Run it with a newer one, for example: python3.11 -m whatschat_ops".format(*sys.version_info)
    )

from whatschat_ops.cli.main import run

if __name__ == "__main__":
    run()
