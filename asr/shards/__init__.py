"""Tar shards: reading, writing, index, check, location."""
