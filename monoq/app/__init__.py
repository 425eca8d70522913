"""What users declare: an App with its handlers, their outcomes, backoff and pools. Pure values."""
