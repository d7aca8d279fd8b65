"""The stages of dvc.yaml: each loads, calls, saves."""
