"""params.yaml, validated once; may import nothing but documents, errors and paths, which every room may import."""
