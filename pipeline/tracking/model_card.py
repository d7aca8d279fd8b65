"""The registered model's card: the network, its data, its accuracy and its limits."""

from collections.abc import Sequence

from scipy import stats

from pipeline.analysis.choice import Candidate, Choice
from pipeline.analysis.configurations import CONFIDENCE, accuracy_interval, standard_error
from pipeline.analysis.evaluation import Metrics
from pipeline.data.sequences import SequencesSummary
from pipeline.params.network import CELLS, network_name
from pipeline.params.settings import METRIC_NAMES, Metric
from pipeline.training.inputs import FOLDS
from pipeline.training.trials import TrialRecord

TEST_ACCURACY = "**Test accuracy** of this model"  # the line that begins so is written again when it is measured
LONGEST_LIST = 800  # characters; MLflow's databases end a card at 5,000


def model_card(
    choice: Choice, record: TrialRecord, data: SequencesSummary, metric: Metric, licence: str, reproduce: str
) -> str:
    """Markdown; `record` is the training whose weights are registered, `metric` that by which it was chosen.

    The test accuracy is measured later: see `accuracy_of_model`.
    """
    chosen, configuration, result = choice.choice, record.trial.configuration, record.result
    assert result is not None, "a champion that failed is not registered"
    title = network_name(chosen)
    held_out = data.validation.samples
    measured = f"seeds: {chosen.seeds}"
    if choice.race is not None:
        folds = sorted(data.folds or [data.largest_fold] * FOLDS)
        held_out = sum(folds[: chosen.seeds])  # where folds differ, the smallest ones: the interval is wider
        parts = "folds of whole groups" if data.folds else "tenths"
        measured = f"the mean over {chosen.seeds} {parts} that were held out in turn"
    interval = _interval(chosen, held_out, "validation" if choice.race is None else "fold", metric)
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

**Validation {METRIC_NAMES[metric]}** of the configuration, before it was trained again: \
{chosen.validation_accuracy:.2%} ({interval}{measured}). It was the criterion of the choice among \
{len(choice.candidates)} configurations, and flatters a little for that reason. The rule: \
{choice.rule}{_certainty(choice)}

{TEST_ACCURACY}: not measured yet; `dvc repro evaluate` does it.

**Input.** {input_words(chosen, data)}

**Answer.** The probabilities of {data.classes} classes, in this order: {_listed(data.labels)}. \
They are those of one network, seed {record.trial.seed}; `python -m pipeline predict` answers with the same one.

**Limits.** It answers one of these classes for any input. Nothing is known of its accuracy on data from another source.

**To make it again:** `{reproduce}`
"""


def accuracy_of_model(metrics: Metrics) -> str:
    """The line of the card that tells the model's own accuracy, once it is measured."""
    right = f"{metrics.model_test_accuracy:.2%} ({CONFIDENCE:.0%} interval over sequences "
    right += f"{metrics.model_test_accuracy_low:.2%} to {metrics.model_test_accuracy_high:.2%})"
    if metrics.metric is not None:
        right += f", {METRIC_NAMES[metrics.metric]} {metrics.model_test_score:.2%}"
    seeds = f"{metrics.seeds} seed{'s' * (metrics.seeds > 1)}"
    return f"{TEST_ACCURACY}: {right}. Networks of this size have {metrics.test_accuracy:.2%}, the mean of {seeds}."


def input_words(chosen: Candidate, data: SequencesSummary) -> str:
    """What the network reads, in sentences: type, shape and scale."""
    return f"Numbers of the type float32, in the shape (sequences, steps, features). {_input(chosen, data)}"


def _input(chosen: Candidate, data: SequencesSummary) -> str:
    if not data.is_own:
        timesteps, features = data.shape_in(chosen.view)
        each = f"{features:,} feature{'s' * (features > 1)}"
        return f"Sequences have {timesteps:,} steps with {each}: pixels from 0 to 1, in the view {chosen.view}."
    exactly = f"{data.timesteps:,} steps"
    steps = f"Sequences have {exactly}"
    if data.padded:
        any_number = "any number of steps" if CELLS[chosen.cell].recurrent else f"up to {exactly}, filled up to these"
        steps = f"Sequences have {any_number}; after the end of a shorter one all features are NaN (null in JSON)"
    if data.padded and data.lengths:
        shortest, median, longest = data.lengths
        steps += f". Those of the data have {shortest:,} to {longest:,} steps, half of them at most {median:,}"
    if data.tokens is not None:
        values = f"tokens, whole numbers from 0 to {data.tokens - 1:,}; all others count as one unknown token"
    elif data.scale == "standard":
        values = "raw values, each feature in the unit of the data: the network standardizes them itself"
    else:
        values = "raw values, each feature in the unit of the data; they are not scaled"
    return f"{steps}. Features, in this order: {_listed(data.feature_names)}. They are {values}."


def _listed(names: Sequence[int | str]) -> str:
    """The names, or the first of them if they are many."""
    text = ", ".join(map(str, names))
    if len(text) <= LONGEST_LIST:
        return text
    return f"{text[:LONGEST_LIST].rpartition(', ')[0]} … ({len(names):,} in all)"


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


def _interval(chosen: Candidate, held_out_samples: int, held_out: str, metric: Metric) -> str:
    """Student's interval over seeds, as `interval_over_seeds` has it. For one seed, or for seeds that agree, that of an
    accuracy on the samples held out; other metrics have none then."""
    value, deviation, seeds = chosen.validation_accuracy, chosen.validation_accuracy_sd, chosen.seeds
    if seeds >= 2 and deviation:
        error = standard_error(deviation, seeds, held_out)
        low, high = stats.t.interval(CONFIDENCE, seeds - 1, loc=value, scale=error)
    elif metric == "accuracy":
        low, high = accuracy_interval([value], held_out_samples)
    else:
        return ""
    return f"{CONFIDENCE:.0%} interval {max(0.0, low):.2%} to {min(1.0, high):.2%}, "
