"""From a source to sequences; may import params."""
