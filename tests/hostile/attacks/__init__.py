"""Attacks that worked against an earlier version, each as a test."""
