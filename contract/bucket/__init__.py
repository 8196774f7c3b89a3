"""The bucket: one port and its two forms, a local folder and Google Cloud Storage."""
