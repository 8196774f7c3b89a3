"""One module per command of `slideshow`."""
