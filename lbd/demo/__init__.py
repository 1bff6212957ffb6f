"""The demonstration: real model servers on loopback with lbd before them."""
