"""The conversation of `clapcap calibrate`: from an empty folder to videos that can be solved."""
