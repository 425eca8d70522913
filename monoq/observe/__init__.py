"""What a process reports about itself: metrics and log records."""
