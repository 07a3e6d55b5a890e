"""An nginx configuration as data, and how nginx reads it."""
