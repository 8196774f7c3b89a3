"""The life of an uploaded photo: ingest, header, deletion."""
