"""From features and texts to weights: batches, schedule, trainer, checkpoints."""
