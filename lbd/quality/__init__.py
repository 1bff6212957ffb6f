"""Measuring how good an answer is: pure functions of texts and verdicts."""
