"""Decoders and encoders of image files."""
