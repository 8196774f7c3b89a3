"""Message types that the backend, the tasks, frames and the command line exchange as JSON."""

from contract.messages.processing import Device

__all__ = ["Device"]
