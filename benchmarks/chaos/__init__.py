"""Chaos: processes are killed and Convai goes away; ``python -m benchmarks.chaos``."""
