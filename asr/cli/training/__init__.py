"""Verbs about training: train average check."""
