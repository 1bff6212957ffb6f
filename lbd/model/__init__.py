"""Domain data: frozen structs and tables without behaviour beyond their own meaning."""
