"""What the stack is made of, part by part: resources and policy statements as pure functions of the settings."""
