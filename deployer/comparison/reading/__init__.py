"""What both configurations say: who answers, what is meant, what no question can show. Pure."""
