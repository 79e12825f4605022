"""One file a corpus or a format of corpora: each becomes a manifest."""
