"""The registered model's card: the network, its data, its accuracy and its limits."""

from scipy import stats

from pipeline.analysis.choice import Candidate, Choice
from pipeline.analysis.configurations import CONFIDENCE, accuracy_interval, standard_error
from pipeline.data.sequences import SequencesSummary
from pipeline.params.network import network_name
from pipeline.training.inputs import FOLDS
from pipeline.training.trials import TrialRecord


def model_card(choice: Choice, record: TrialRecord, data: SequencesSummary, licence: str, reproduce: str) -> str:
    """Markdown; `record` is the training whose weights are registered. Not in it: the test accuracy, measured later."""
    chosen, configuration, result = choice.choice, record.trial.configuration, record.result
    assert result is not None, "a champion that failed is not registered"
    title = network_name(chosen)
    held_out = data.validation.samples
    measured = f"seeds: {chosen.seeds}"
    if choice.race is not None:
        held_out = chosen.seeds * ((data.train.samples + data.validation.samples) // FOLDS)
        measured = f"the mean over {chosen.seeds} tenths that were held out in turn"
    low, high = _interval(chosen, held_out, "validation" if choice.race is None else "fold")
    digests = "; ".join(
        f"{name} {part.samples:,} sequences, sha256 {part.sha256}"
        for name, part in (("train", data.train), ("validation", data.validation))
    )
    return f"""## {title} for {data.title}

**Data.** {data.title}: {digests}. Licence: {licence}.

**Network.** {title}, {result.parameters:,} parameters; {configuration.optimizer} with learning rate \
{configuration.effective_learning_rate:g}, batches of {configuration.batch_size}, dropout {configuration.dropout:g}, \
{configuration.epochs} epochs on training and validation data together, seed {record.trial.seed}. \
Weights sha256 {result.weights_sha256}.

**Validation accuracy** of the configuration, before it was trained again: {chosen.validation_accuracy:.2%} \
({CONFIDENCE:.0%} interval {low:.2%} to {high:.2%}, {measured}). It was the criterion of the choice \
among {len(choice.candidates)} configurations, and flatters a little for that reason; the test accuracy is in the \
run `evaluate`. The rule: {choice.rule}{_certainty(choice)}

**Limits.** It reads sequences of {data.timesteps} steps with {data.features} features, scaled as the training \
data were, and answers one of {data.classes} classes for any input. Nothing is known of its accuracy on \
data from another source.

**To make it again:** `{reproduce}`
"""


def _certainty(choice: Choice) -> str:
    """How far the race got, in a sentence; nothing without a race."""
    found = choice.race
    if found is None:
        return ""
    confidence = f"with {found.confidence:.0%} confidence"
    if found.settled:
        return f" The race has settled on it {confidence}, after {found.blocks} blocks."
    if found.shown:
        return f" This is shown of it {confidence}; of {len(found.not_known)} smaller ones it is not known."
    return f" The race has shown this of no network {confidence}: this one is the most accurate."


def _interval(chosen: Candidate, held_out_samples: int, held_out: str) -> tuple[float, float]:
    """Student's interval over seeds, as `interval_over_seeds` has it; that of the held-out images for one seed, or for
    seeds that agree."""
    accuracy, deviation, seeds = chosen.validation_accuracy, chosen.validation_accuracy_sd, chosen.seeds
    if seeds < 2 or not deviation:
        return accuracy_interval([accuracy], held_out_samples)
    error = standard_error(deviation, seeds, held_out)
    low, high = stats.t.interval(CONFIDENCE, seeds - 1, loc=accuracy, scale=error)
    return max(0.0, float(low)), min(1.0, float(high))
