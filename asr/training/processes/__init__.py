"""Training with several processes: world, share of an update, restart."""
