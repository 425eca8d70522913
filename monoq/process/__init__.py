"""What any process of ours is made of: services, time limits, a bounded exit."""
