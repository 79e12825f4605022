"""Meetings: several speakers, whose names the recogniser does not know, scored by time or by the best assignment."""
