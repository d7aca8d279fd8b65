"""MLflow, a view of it all; may import params, data, training, studies, analysis and lineage."""
