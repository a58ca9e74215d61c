"""The parts of one training step, one idea per file."""
