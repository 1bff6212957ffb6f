"""The listeners: HTTP in, HTTP out."""
