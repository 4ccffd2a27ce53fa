"""The command line: parse, call one feature, show the result. Nothing else lives here.

What is said below has to be said before anything else is imported.
"""

import gc
import os

# Typer reads values with pydantic, which looks for plugins in the metadata of every installed package.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

# Most of what a command makes is modules and service models, which live as long as it does. Python would look through them
# for garbage after every 700 new objects.
gc.set_threshold(200_000, 20, 20)
