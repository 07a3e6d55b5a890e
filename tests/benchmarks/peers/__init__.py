"""Other ways to bring a configuration to a fleet, each a program of its own."""
