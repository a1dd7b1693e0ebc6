"""The console: pages for people, rendered from what the HTTP API answers with."""
