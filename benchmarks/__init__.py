"""What it costs: one module for each question, all answered by ``make bench``."""
