"""Rate cards and the arithmetic of money: quantity × rate, with metering, free tiers and tiers. Knows no feature."""
