"""Authentication and access control: tokens, sessions, passwords, signatures."""
