"""Images: weights, grids, clean components, beams, FITS."""
