"""`call`: test calls."""
