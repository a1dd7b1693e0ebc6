"""What we do about it: the five functions of the pipeline, and what they need of the world."""
