"""Station gains: solved, checked on data they have not seen, applied, kept."""
