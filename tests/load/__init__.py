"""Load test over the whole system."""
