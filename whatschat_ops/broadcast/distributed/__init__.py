"""A broadcast from many machines: Lambda functions under a Step Functions Distributed Map read the table, send and prune.

planning ──▶ shards ──start──▶ execution: a worker for every shard ──▶ parts and totals in S3 ──▶ outcomes ──▶ journal

The execution has the run's id as its name, and all that is known of the run is in S3. So a process that resumes a run, on any machine,
finds what goes on without it.
"""
