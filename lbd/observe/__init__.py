"""What operators get to see: log, timeline, journal, metrics. Never prompts, never keys."""
