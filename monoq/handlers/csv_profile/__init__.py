"""`csv_profile`: what is in a CSV. The path: payload → source, a file → first row → profile."""
