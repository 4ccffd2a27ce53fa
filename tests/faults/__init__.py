"""Faults between our program and AWS: a proxy that injects them, and a matrix of every call times every fault.

python -m tests.faults            the whole matrix
python -m tests.faults --sample N a part of it, chosen evenly
"""
