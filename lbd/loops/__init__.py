"""What runs beside the requests: probing, publishing, persistence, reload. They meet in the provider table."""
