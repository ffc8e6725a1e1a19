"""What runs a network: torch, or a runtime made for running alone."""
