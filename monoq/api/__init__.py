"""HTTP in: parse, call one thing, answer. It must hold no rule of its own."""
