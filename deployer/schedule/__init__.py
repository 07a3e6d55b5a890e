"""Unattended deployments: when they are due, what runs them, and what of them is news."""
