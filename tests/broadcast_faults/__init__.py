"""A broadcast through faults and kills: what every connection really got, counted where it arrives.

python -m tests.broadcast_faults            200,000 connections, a fault-injecting @connections endpoint, three kill -9
python -m tests.broadcast_faults sockets    1,000 real sockets on the embedded AWS, one kill -9
"""
