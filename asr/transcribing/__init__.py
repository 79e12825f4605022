"""A trained model at work: recordings in, transcripts out; sets of utterances in, decoded folders out."""
