"""Oxides in five steps, after Pan, Karpovich and Olivetti (docs/pan.md)."""
