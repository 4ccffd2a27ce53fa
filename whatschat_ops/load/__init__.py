"""`ws load`: many clients at once, and what they saw.

plan (bounds) ──▶ runner (opens sockets, sends on a schedule, listens) ──▶ report ──▶ page (HTML)
                     │ ledger: what was sent, what arrived, what is lost
                     │ histogram, timeline: latencies and rates in bounded memory
"""
