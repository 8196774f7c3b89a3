"""The whole system under measurement: a real backend with real tasks, what they use, and a slow network if wanted."""
