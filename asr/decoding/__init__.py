"""Log-probabilities in, hypotheses out: greedy and beam search, language models, lexicons, biasing."""
