"""framelift and other programs on the same files, in turns, in one run."""
