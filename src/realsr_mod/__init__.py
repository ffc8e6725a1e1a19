"""Real-world image super-resolution: train, study, compare and use networks that restore degraded photos."""

__version__ = "0.1.0"
