"""The local stack for a bounded while, with everything at once, and what must hold at its end.

python -m tests.soak [--minutes 10] [--write]
"""
