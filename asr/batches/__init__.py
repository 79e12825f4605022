"""Which utterances train together, read and stacked into padded batches."""
