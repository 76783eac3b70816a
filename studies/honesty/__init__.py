"""How far a score can be trusted (docs/honesty.md), and what each rule of a task stops (docs/guards.md)."""
