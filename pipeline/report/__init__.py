"""The report, a section a module; may import params, data, training, studies, analysis and lineage.

From elsewhere, `pipeline.commands.report` asks for the page (`page`) and for its content (`results`), and everybody may
import `text`, which shows numbers as text.
"""
