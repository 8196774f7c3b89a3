"""Running, measuring, comparing and storing benchmark cases."""
