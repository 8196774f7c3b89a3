"""What each frame shows."""
