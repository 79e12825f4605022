"""Waves to feature matrices: filterbanks, normalisation, augmentation and the store on disk."""
