"""What tables and saved models say; may import params and training."""
