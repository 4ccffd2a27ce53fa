"""The control plane of the embedded AWS: ministack, corrected where it differs from AWS."""
