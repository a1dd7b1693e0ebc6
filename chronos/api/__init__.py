"""The HTTP API, /v1: send events, follow videos and runs, search, and see what it costs."""
