"""Reading transcripts of any format."""
