"""The report: one page that answers, a section a module with its words, its figure and its table.

Nothing but `pipeline.commands.report` asks for the page (`page`) and for what it is made of (`results`); from elsewhere
only `text` may be imported, which shows numbers as text. The room itself imports `analysis`, `studies` and what lies
below them, never `tracking` or `commands`.
"""
