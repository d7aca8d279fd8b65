"""One network trained, here or on a worker; may import params and data."""
