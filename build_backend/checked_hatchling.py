"""Hatchling, after a look at the Python: the first thing that pip runs of this project.

pip before 24 reads `requires-python` of a project with extras last, after it has tried a thousand combinations of what the
project depends on.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python runs this too
    sys.exit(
        "whatschat-ops needs Python 3.11 or newer, and this is Python {}.{}. "
        "Make the virtual environment with a newer one, for example: python3.11 -m venv --clear .venv".format(
            *sys.version_info
        )
    )

from hatchling.build import *  # noqa: F403 - the hooks of PEP 517 and PEP 660
