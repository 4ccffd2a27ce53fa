"""What the stack's metrics say: requests, errors, durations, meetings and open connections of a time, beside the time before."""
