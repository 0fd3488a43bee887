"""Numbers, pictures and words that say how good an image is."""
