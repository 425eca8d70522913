"""The parts of every monoq process: services, time limits, a bounded exit."""
