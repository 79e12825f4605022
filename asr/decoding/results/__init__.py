"""Hypotheses: n-best readings, words, their times and confidence."""
