"""Frames and sound with their time stamps: decode, probe, write."""
