"""The backend: uploads, the job queue, the web pages and the frame API."""
