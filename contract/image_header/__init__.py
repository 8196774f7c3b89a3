"""Read image headers for both programs, with the standard library alone and without any decoder.

The upload (backend) and the task (processor) call the same function, so that database and picture agree.
Every size, count and depth is bounded. Hostile input raises one declared error.
"""
