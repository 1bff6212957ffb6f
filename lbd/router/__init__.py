"""The trained router: from a prompt's text to what a stronger model would add, and each model's quality. Pure."""
