"""Recordings and their texts: manifests, validation, and one file for each known corpus."""
