"""SAM's data engine (its section 4): people correct what the model proposes, the model learns from it, and proposes."""
