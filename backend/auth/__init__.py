"""Who may call what: sessions, passwords, tokens of tasks, devices and Google."""
