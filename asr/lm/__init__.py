"""Language models: n-grams (counts, Kneser-Ney, pruning, ARPA, tables), the LSTM model, perplexity."""
