"""The checks of `doctor`, one module per area of the stack."""
