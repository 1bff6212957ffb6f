"""The operator's page: documents of the admin API in, HTML and SVG out. No I/O, no clock."""
