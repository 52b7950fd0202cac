"""Motion clean-up: spikes, gaps and filters, on points in space and on motions."""
