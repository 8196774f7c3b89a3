"""Dithering for e-paper: a picture becomes an array of ink numbers (`pictures.dither_picture`)."""
