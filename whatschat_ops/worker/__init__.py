"""The Lambda function that sends one shard of a distributed broadcast, and what it and the command exchange in S3.

objects.py   names and contents of the objects: both sides
control.py   what the command tells workers while they are at work: stop, another rate
kinds.py     what a run is: broadcast, prune, disconnect, count
actions.py   what is done to each connection
bucket.py    the objects in S3, through the client of either side
shard.py     one shard: read, sent, recorded; knows no AWS
feed.py      which of its connections are still to be sent to
counting.py  a shard that is only counted, in the sums of tally.py
recorder.py  writes the results while it is sent
handler.py   what Lambda calls: S3 and the sender put together
"""
