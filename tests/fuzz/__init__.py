"""Random inputs and mutated files, with what must hold of each."""
