"""The table of faults."""

from __future__ import annotations

from typing import Final

from tests.mutants.of_engines import PROVISION, SENDER
from tests.mutants.of_features import FEATURES
from tests.mutants.of_stack import STACK
from tests.mutants.of_tools import LOCAL, TOOLS
from tests.mutants.planting import Fault

FAULTS: Final[tuple[Fault, ...]] = (*PROVISION, *SENDER, *STACK, *FEATURES, *LOCAL, *TOOLS)
