"""A throw-away staging fleet on this machine, in the image of an inventory."""
