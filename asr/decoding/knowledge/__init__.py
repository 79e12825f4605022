"""What multiplies into a prefix: language model, lexicon, phrases."""
