"""The questions that follow an evaluation: what is missing, what if, and why."""
