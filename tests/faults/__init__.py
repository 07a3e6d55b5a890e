"""The fault matrix: every step of the saga's table under every fault, on real hosts."""
