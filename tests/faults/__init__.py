"""Real processes are broken on purpose; what the guide of faults promises must hold."""
