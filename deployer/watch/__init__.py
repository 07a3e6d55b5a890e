"""Looking at a fleet again and again: what a look means, what changed since the last one, and who is told."""
