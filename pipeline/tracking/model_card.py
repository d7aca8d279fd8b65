"""The registered model's card: the network, its data, its accuracy and its limits."""

import math

from scipy import stats

from pipeline.analysis.choice import Candidate, Choice
from pipeline.analysis.configurations import CONFIDENCE, accuracy_interval
from pipeline.data.sequences import SequencesSummary
from pipeline.params.network import network_name
from pipeline.training.trials import TrialRecord


def model_card(choice: Choice, record: TrialRecord, data: SequencesSummary, licence: str, reproduce: str) -> str:
    """Markdown; `record` is the training whose weights are registered. Not in it: the test accuracy, measured later."""
    chosen, configuration, result = choice.choice, record.trial.configuration, record.result
    assert result is not None, "a champion that failed is not registered"
    title = network_name(chosen)
    low, high = _interval(chosen, data.validation.samples)
    digests = "; ".join(
        f"{name} {part.samples:,} sequences, sha256 {part.sha256}"
        for name, part in (("train", data.train), ("validation", data.validation))
    )
    return f"""## {title} for {data.dataset} as {data.view}

**Data.** {data.dataset} as {data.view}: {digests}. Licence: {licence}.

**Network.** {title}, {result.parameters:,} parameters; {configuration.optimizer} with learning rate \
{configuration.effective_learning_rate:g}, batches of {configuration.batch_size}, dropout {configuration.dropout:g}, \
{configuration.epochs} epochs on training and validation data together, seed {record.trial.seed}. \
Weights sha256 {result.weights_sha256}.

**Validation accuracy** of the configuration, before it was trained again: {chosen.validation_accuracy:.2%} \
({CONFIDENCE:.0%} interval {low:.2%} to {high:.2%}, seeds: {chosen.seeds}). It was the criterion of the choice \
among {len(choice.candidates)} configurations, and flatters a little for that reason; the test accuracy is in the \
run `evaluate`. The rule: {choice.rule}

**Limits.** It reads sequences of {data.timesteps} steps with {data.features} features, scaled as the training \
data were, and answers one of {data.classes} classes for any input. Nothing is known of its accuracy on \
data from another source.

**To make it again:** `{reproduce}`
"""


def _interval(chosen: Candidate, validation_samples: int) -> tuple[float, float]:
    """Student's interval over seeds; that of the validation images for one seed, or for seeds that agree."""
    accuracy, deviation, seeds = chosen.validation_accuracy, chosen.validation_accuracy_sd, chosen.seeds
    if seeds < 2 or not deviation:
        return accuracy_interval([accuracy], validation_samples)
    error = deviation / math.sqrt(seeds)
    low, high = stats.t.interval(CONFIDENCE, seeds - 1, loc=accuracy, scale=error)
    return max(0.0, float(low)), min(1.0, float(high))
