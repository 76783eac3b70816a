"""Pictures: of a run, and of how far predictions can be trusted."""
