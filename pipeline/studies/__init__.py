"""Many trainings in a fixed order, and the folder of their results; may import params, data and training."""
