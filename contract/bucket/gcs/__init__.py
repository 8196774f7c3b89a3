"""Google Cloud Storage behind the bucket port. Imported only when a `gs://` bucket is opened."""
