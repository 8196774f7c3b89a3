"""The job queue: when tasks are started, how many, and by which runner."""
