"""Word alignment and error rates."""
