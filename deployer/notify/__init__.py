"""Telling people: what happened, what was done about it, what to do now. Never slower or less safe for it."""
