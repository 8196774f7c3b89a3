"""Fault-injection suite over the complete system.

A fault plan describes the faults of a run, and an environment runs the system under these faults.
After a quiet phase without faults, checks read database and bucket for lost, stuck or duplicated work.
"""
