"""Encoders and decoders for the step loop: compiled, batched, a row independent of its batch."""
