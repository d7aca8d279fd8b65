"""The one exception that a user is meant to read."""


class PipelineError(Exception):
    """A mistake that the user can mend. Its message says what is wrong, where, and what to do."""
