"""The training room: one training step, one file a question."""
