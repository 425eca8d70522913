"""What runs in every process and forgives every loss: staging, rescue, counting. It must be safe to
run any number of times at once."""
