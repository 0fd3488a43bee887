"""The A-team: sources so bright that they come in through the sidelobes."""
