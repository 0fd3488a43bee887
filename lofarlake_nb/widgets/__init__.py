"""What a person sees in a notebook: the landing page, the lake, an image."""
