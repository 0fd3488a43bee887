"""What the sky looks like, and the visibilities that it gives."""
