"""Compiled building blocks: products of small matrices in our own tiles, and threads to run them on."""
