"""Measurements of the app at work: ``python -m benchmarks.NAME``; ``load`` is what some share."""
