"""A method of one's own: edges count, and photos are hazy."""
