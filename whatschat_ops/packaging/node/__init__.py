"""The application's Node.js folder as a zip: its own steps, its dependencies as Node.js resolves them, and a check of the result."""
