"""What a month costs: on the guide's rate card, and on AWS's list. Pure arithmetic; no AWS, no network.

usage       what the user says is used           (flags, a YAML file)
quantities  usage -> billable quantities         (what follows from what was said)
rates       what a unit costs, by whom, as of when
pricing     quantity × rate -> money             (metering, free tiers, tiers)
estimate    all of it, line by line              -> result, with remarks
"""
