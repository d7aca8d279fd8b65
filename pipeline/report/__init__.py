"""The report, a section a module; may import params, data, training, studies and analysis.

From elsewhere, `pipeline.commands.report` asks for the page (`page`) and for its content (`results`), and everybody may
import `text`, which shows numbers as text.
"""
