"""The champion at work: what is made of it after the study; may import params, data, training and analysis."""
