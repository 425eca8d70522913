"""The one way out: every call to an address that a job or a user names goes through Outgoing."""
