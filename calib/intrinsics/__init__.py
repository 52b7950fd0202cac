"""One camera alone: its lens, and what is known of it."""
