"""End to end on the embedded AWS: what was done is what is measured, priced and billed, and every damage is counted.

doing.py     a load test, sockets of our own, a broadcast and meetings; what they know of what they did
sources.py   what AWS kept of it: log groups as files, attendances as CSV, a bill
damages.py   ways in which these files arrive damaged, and what the measurement says then
proof.py     the comparison, as a table

`python -m tests.usage_truth` prints the table; with --write, puts it into docs/cost.md.
"""
