"""What was used: measured from metrics, logs, records of calls, the ledger and the bill, and priced by `cost`."""
