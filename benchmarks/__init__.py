"""How fast stage 1 is, against the tools that people use today."""
