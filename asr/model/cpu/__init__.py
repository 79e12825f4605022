"""Compiled training kernels for CPUs; the model works without them."""
