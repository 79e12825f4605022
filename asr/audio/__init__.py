"""Opening audio: reading samples and what a header says of a file."""
