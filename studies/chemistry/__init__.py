"""Validity rules and integer formulas over whole tables (docs/validity.md, docs/compositions.md)."""
