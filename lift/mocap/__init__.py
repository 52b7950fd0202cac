"""Recorded human motion to learn from: readers of its formats, and one joint set for all of them."""
