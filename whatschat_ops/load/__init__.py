"""`ws load`: a load test with many clients, and its report.

plan (bounds) ──▶ runner (opens sockets, sends on a schedule, receives) ──▶ report ──▶ page (HTML)
                     │ deliveries: what was sent, arrived, lost
                     │ histogram, timeline: latencies and rates in bounded memory
"""
