"""CloudTrail: the management events of the embedded AWS, which LookupEvents finds."""
