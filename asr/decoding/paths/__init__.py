"""What needs no search: log-probabilities, the best path, alignment of a known text, the score of a text."""
