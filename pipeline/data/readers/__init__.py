"""Readers of anybody's own files: each turns its kind of file into what was `Found`, for one check of all."""
