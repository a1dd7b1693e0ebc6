"""What we do about it: the pipeline's five functions, delete-video, send-webhooks, and what they need of the world."""
