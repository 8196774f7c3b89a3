"""The life of an uploaded photo: header, ingest, deletion."""
