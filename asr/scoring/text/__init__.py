"""Normalisation of texts before scoring."""
