"""A whole Rucio data lake on one machine, in one folder, without root, containers or the network."""
