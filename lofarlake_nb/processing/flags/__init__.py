"""Flags: where they are kept, and what they say of stations."""
