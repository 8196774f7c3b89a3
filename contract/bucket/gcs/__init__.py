"""Implementation of the bucket port for Google Cloud Storage. Imported only when a `gs://` bucket is opened."""
