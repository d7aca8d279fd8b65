"""What params.yaml may say, validated once; may import nothing but documents, errors and paths, as every room may."""
