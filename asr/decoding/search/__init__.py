"""The CTC prefix beam search."""
