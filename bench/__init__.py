"""What the pipeline costs, beside its rivals: `python -m bench list`. Nothing else imports this room."""
