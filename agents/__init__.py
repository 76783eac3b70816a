"""Policies and searches that use matenv through its public API only. Installs and imports as `matenv.agents`.

May import: matenv's public names, `matenv.wrappers`. No other room imports this one, except the command line.
"""
