"""The processor: one task of the job, which renders the photos that it claims."""
