"""What each guard of the environments stops (docs/guards.md)."""
