"""The process: sockets, signals, systemd."""
