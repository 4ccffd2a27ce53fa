"""Measuring in bounded memory. Standard library only, so that it may travel in a Lambda function's zip."""
