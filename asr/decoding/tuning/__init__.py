"""Weights chosen on a dev set, and rescoring of n-best lists."""
