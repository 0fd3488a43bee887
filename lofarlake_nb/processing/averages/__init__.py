"""Averages: how far, by whom, and what they cost."""
