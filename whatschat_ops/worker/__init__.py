"""The Lambda function that sends one shard of a distributed broadcast, and what it and the command exchange in S3.

objects.py   names and contents of the objects: both sides
shard.py     one shard: read, sent, written down; knows no AWS
bucket.py    the objects in S3, through the client of either side
handler.py   what Lambda calls: S3 and the sender put together
"""
