"""Compare how photos are rendered with what an independent program shows."""
