"""One module a command, each a thin shell over plain functions; heavy imports wait until the command runs."""
