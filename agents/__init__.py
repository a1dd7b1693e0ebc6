"""What we do about it: the five functions of the pipeline and delete-video, and what they need of the world."""
