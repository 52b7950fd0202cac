"""What every package stands on: the version, the errors and the progress protocol."""

__version__ = "0.1.0"
