"""Recordings of any length and live sound: windows, silence, partial and final results."""
