"""One verb, one file, and six of them are the stages of dvc.yaml; may import params, data, training, studies, analysis,
report, use, tracking, lineage, locks and progress.
"""
