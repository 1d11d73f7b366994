"""How well prompts are answered, by the protocols of the SAM and UnSAM papers (spec 7.4 and 10.4)."""
