"""A broadcast from many machines: its connections as shards in S3, sent by Lambda under a Step Functions Distributed Map.

journal ──export──▶ shards ──start──▶ execution: a worker for every shard ──▶ parts ──merge──▶ the same journal

The execution has the run's id as its name, and parts are only ever added. So a process that resumes a run finds what goes on
without it, and reads every result.
"""
