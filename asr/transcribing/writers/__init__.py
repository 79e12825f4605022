"""Transcripts as files: text, subtitles, tables, NIST's formats, TextGrid, JSON."""
