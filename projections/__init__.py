"""What is true now: the read models, folded from the log."""
