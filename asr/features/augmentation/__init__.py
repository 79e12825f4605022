"""What training does to sound and features: speed, noise, rooms, band, gain, SpecAugment."""
