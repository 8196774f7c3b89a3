"""Bucket port and its two implementations: a local folder and Google Cloud Storage."""
