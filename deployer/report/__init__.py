"""What happened, told to people: pure functions from records, events and results to text and JSON."""
