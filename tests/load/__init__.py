"""Load test over the complete system."""
