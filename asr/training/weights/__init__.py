"""Weights averaged over epochs or updates, or begun from another model."""
