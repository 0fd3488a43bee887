"""A LOFAR observation on disk: the only room where casacore is used."""
