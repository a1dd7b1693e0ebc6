"""What fulfils the ports of the agents: storage, media, speech and embeddings."""
