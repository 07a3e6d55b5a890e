"""Drills: something is broken on a lab fleet under load, and somebody repairs it against the clock."""
