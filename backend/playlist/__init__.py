"""The order in which a frame shows photos: shuffle queue, pairs and filters. Pure."""
