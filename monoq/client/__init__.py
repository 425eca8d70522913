"""The Python client: HTTP calls and the stream of changes. It knows no more of a server than its URL."""
