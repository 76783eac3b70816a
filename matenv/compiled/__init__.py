"""Compiled building blocks: products of small matrices, weights folded for them, and threads to run on."""
