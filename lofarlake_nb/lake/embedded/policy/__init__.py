"""The embedded lake's policy, as Rucio takes such a package: who may do what beyond Rucio's own choice."""
