"""What breaks users although nginx accepts it, found in the files alone."""
