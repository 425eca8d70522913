"""The Python client: HTTP calls and the stream of changes. It knows a server only by its URL."""
