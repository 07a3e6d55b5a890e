"""Live and the candidate side by side, before a user meets the candidate."""
