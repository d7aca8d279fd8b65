"""Statistics, choices, tests and times, worked out from tables and saved models; may import params,
training and studies."""
