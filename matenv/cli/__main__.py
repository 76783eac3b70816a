"""``python -m matenv.cli`` is ``matenv``."""

from matenv.cli import main

main()
