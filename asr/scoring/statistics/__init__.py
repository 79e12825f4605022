"""Intervals, significance, calibration, breakdowns."""
