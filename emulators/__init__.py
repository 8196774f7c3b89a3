"""Strict local emulators of the Google Cloud services that this project calls.

They reject every request that they do not implement, so tests cannot pass on behaviour that the real service lacks.
"""
