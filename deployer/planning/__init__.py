"""Before anything is changed: what a command works with, what it would do, and whether it may."""
