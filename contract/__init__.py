"""What the backend and the processor share: messages, names, the bucket and its errors.

Nothing here imports more than msgspec and the standard library, so that both programs,
and every script that talks to them, can afford it.
"""
