"""Data sets, training and evaluation of the bundled models."""
