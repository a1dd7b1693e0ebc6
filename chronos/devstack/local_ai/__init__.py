"""An OpenAI-compatible server on loopback with real models, for machines without an API key. It keeps a bill."""
