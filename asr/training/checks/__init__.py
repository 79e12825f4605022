"""Asked before training: plan, data, overfitting one batch, learning rate."""
