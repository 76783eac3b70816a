"""Policies and searches that use matenv through its public API only. Installs and imports as `matenv.agents`."""
