"""From the sound of a clap to the time map of every camera."""
