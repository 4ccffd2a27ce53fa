"""What a month costs: on the guide's rate card, and on AWS's list. Pure arithmetic; no AWS, no network.

usage       a month's usage                  (flags, a YAML file)
quantities  usage -> billable quantities     (given, or derived)
estimate    quantities × rate cards, line by line -> result, with remarks
"""
