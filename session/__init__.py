"""The session folder, its stages, settings, reports, and the command line."""
