"""Measurements of the app at work. Each module is run by itself: ``python -m benchmarks.NAME``."""
