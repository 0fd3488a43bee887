"""The data lake: Rucio, embedded or any other; observations go in and come back, and results with their lineage."""
