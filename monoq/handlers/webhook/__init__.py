"""`webhook`: posts JSON to a URL, signed as Standard Webhooks says (standardwebhooks.com). A URL
gets a message at least once; its receiver knows a repeat by `webhook-id`."""
