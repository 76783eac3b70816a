"""Studies of `matenv design`."""
