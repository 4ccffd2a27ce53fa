"""Rate cards and prices: quantity × rate, with metering, free tiers and tiers. Knows no feature."""
