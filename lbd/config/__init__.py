"""Configuration: from files to specs, all or nothing."""
