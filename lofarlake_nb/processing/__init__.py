"""From visibilities to images: flag, average, calibrate, image; the engines and Dask are used only here."""
