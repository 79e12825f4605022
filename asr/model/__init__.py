"""The acoustic model: front end, bidirectional LSTM stack, output layer, and the CTC loss it is trained with."""
