"""Networks: their specification in params.yaml, and the number of their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from pipeline.documents import Frozen

Cell = Literal["simple_rnn", "elman_output", "lstm", "gru", "mlp", "cnn"]
MergeMode = Literal["concat", "sum", "ave", "mul"]
Pooling = Literal["last", "mean", "max", "mean_max", "attention"]
Units = Annotated[int, Field(ge=1, le=65_536)]  # one layer of more has 17 GB of weights
Depth = Annotated[int, Field(ge=1, le=100)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
EMBEDDING_WIDTH = 32  # of each token


class Sizes(NamedTuple):
    """All of the data that decides how large a network on them is.

    `tokens`: the values, in one feature, are whole numbers below this one, each with an embedding of `EMBEDDING_WIDTH`;
    one for all others comes in addition.
    """

    timesteps: int
    features: int
    classes: int
    tokens: int | None = None


class CellCost(NamedTuple):
    """The parts of a training step's time on one core.

    `step`: seconds to start the kernels of one time step of one layer; `unit`: seconds of element-wise work for each
    state of each sequence in it; `efficiency`: the share of the core's `sgemm_rate` at which it multiplies matrices.
    """

    step: float
    unit: float
    efficiency: float


class CellKind(NamedTuple):
    """All that is particular to a cell, but for its Keras layer (`pipeline.training.build`).

    A recurrent layer of u units on f inputs has, for each direction, blocks × u × (f + u + biases) parameters; the
    reference networks, which have no state, have 0 blocks. Colours and markers are those of every figure: the first
    colour on white, the second on black. They are Okabe and Ito's, which colour-blind people tell apart.
    """

    title: str
    blocks: int
    biases: int
    cost: CellCost
    colour: str
    dark_colour: str
    marker: str

    @property
    def recurrent(self) -> bool:
        return self.blocks > 0


# In the order of every legend. The costs are means of two fits by `python -m benchmarks.growth --fit`, in processor
# time with all cores at work, on an Intel Xeon that multiplies at 202 GFLOP/s a core (2026-11-24) and an AMD EPYC at
# 106 (2026-11-25). A step took about as long on both, GRU's a quarter longer on the EPYC. The seconds of a unit are the
# least certain: LSTM's were 7.7 and 19 ns. The Xeon reached a smaller share of its higher peak: 0.72 for LSTM, the EPYC
# 0.90.
CELLS: dict[Cell, CellKind] = {
    "simple_rnn": CellKind("SimpleRNN", 1, 1, CellCost(63e-6, 2.5e-9, 0.90), "#d55e00", "#ff9a4d", "o"),
    "lstm": CellKind("LSTM", 4, 1, CellCost(105e-6, 13e-9, 0.81), "#0072b2", "#62b5f0", "s"),
    "gru": CellKind("GRU", 3, 2, CellCost(140e-6, 7.0e-9, 0.80), "#009e73", "#3fcf9f", "^"),
    "elman_output": CellKind("SimpleRNN with output", 1, 1, CellCost(69e-6, 1.6e-9, 0.84), "#cc79a7", "#e3a1c5", "D"),
    "mlp": CellKind("MLP", 0, 0, CellCost(262e-6, 0.0, 0.73), "#e69f00", "#f2b945", "v"),
    "cnn": CellKind("CNN", 0, 0, CellCost(1180e-6, 0.0, 0.60), "#56b4e9", "#8fd0f5", "P"),
}

# What becomes of the states of two directions that are not put side by side.
MERGED: dict[MergeMode, str] = {
    "sum": "directions summed",
    "ave": "directions averaged",
    "mul": "directions multiplied",
}

KERNEL, POOL = 3, 2  # of the cnn, in both directions

# What a network without a state cannot have.
RECURRENT_SETTINGS = (
    "bidirectional", "recurrent_dropout", "unroll", "pooling", "layer_normalization", "residual",
)  # fmt: skip


class NetworkSpec(Frozen):
    """A classifier of sequences: `depth` layers of `units`, then a dense softmax.

    Recurrent cells (`simple_rnn`, `lstm`, `gru`, and `elman_output`, a SimpleRNN with an output layer of its own):
    `pooling` says what the softmax sees of the last layer's states: the `last` one, their `mean` or `max` over time
    steps, both side by side (`mean_max`), or their mean weighted by learned `attention` (weights softmax(q · h_t),
    after Lin et al., A Structured Self-Attentive Sentence Embedding, ICLR 2017). `residual` adds the input of every
    layer but the first to its output (He et al., CVPR 2016); `layer_normalization` then normalizes every layer's output
    over its units (Ba, Kiros and Hinton, 2016). `dropout` is the fraction of each recurrent layer's *inputs* that is
    dropped in training, as in Listing 1.5.1 of *Advanced Deep Learning with Keras*; `recurrent_dropout` is that of the
    state handed on from step to step. `bidirectional` reads both ways and joins the two by `merge_mode`. `unroll`
    writes the loop over time steps out into the graph: the same network, the same weights.

    The chapter's reference networks see the whole sequence at once: `mlp` is `depth` dense layers with ReLU, each
    with `dropout` on its outputs (Listing 1.3.2); `cnn` is `depth` convolutions of 3 × 3 over time and features with
    `units` filters and ReLU, max pooling of 2 × 2 between them, then `dropout` (Listing 1.4.1). Where a sequence is
    shorter than a kernel or a pool, these are as small as the sequence.
    """

    cell: Cell
    units: Units
    depth: Depth = 1
    bidirectional: bool = False
    merge_mode: MergeMode = "concat"
    dropout: Dropout = 0.0
    recurrent_dropout: Dropout = 0.0
    unroll: bool = False
    pooling: Pooling = "last"
    layer_normalization: bool = False
    residual: bool = False

    @property
    def hands_on_sequences(self) -> bool:
        """Whether the last recurrent layer gives all of its states, not the last one alone."""
        return self.pooling != "last" or (self.residual and self.depth > 1)

    @property
    def file_name(self) -> str:
        """A name for files, without a suffix: `simple_rnn-1x256`, `bidirectional-gru-2x64-mean_max`."""
        parts = ["bidirectional"] * self.bidirectional + [self.cell, f"{self.depth}x{self.units}"]
        parts += [self.merge_mode] * (self.bidirectional and self.merge_mode in MERGED)
        parts += [self.pooling] * (self.pooling != "last") + ["residual"] * self.residual
        return "-".join([*parts, *["normalized"] * self.layer_normalization])

    @model_validator(mode="after")
    def _only_recurrent_cells_recur(self) -> Self:
        if CELLS[self.cell].recurrent:
            return self
        for name in RECURRENT_SETTINGS:
            if getattr(self, name) != NetworkSpec.model_fields[name].default:
                raise ValueError(f"cell {self.cell} is not recurrent: it has no {name}")
        return self

    @model_validator(mode="after")
    def _a_residual_layer_hands_on_a_sequence(self) -> Self:
        if self.residual and self.bidirectional and self.pooling == "last":
            raise ValueError(
                "residual: the last states of the two directions belong to different time steps: choose a pooling "
                "(mean, max, mean_max or attention), or bidirectional: false"
            )
        return self


def network_name(network: NetworkSpec | Mapping[str, Any]) -> str:
    """Short name of a network for people, for example `bi-LSTM 2×128 mean+max`; of a row of a table by its columns.

    How two directions are joined is in it where they are not put side by side: `bi-LSTM 2×128 directions summed`.
    """
    row = dict(network) if isinstance(network, NetworkSpec) else network
    name = f"{'bi-' if row['bidirectional'] else ''}{CELLS[row['cell']].title} {row['depth']}×{row['units']}"
    merge_mode, pooling = row.get("merge_mode", "concat"), row.get("pooling", "last")
    extras = [MERGED[merge_mode]] if row["bidirectional"] and merge_mode in MERGED else []
    extras += [pooling.replace("_", "+")] if pooling != "last" else []
    extras += [word for word, name_of in (("residual", "residual"), ("normalized", "layer_normalization"))
               if row.get(name_of, False)]  # fmt: skip
    return " ".join([name, *extras])


def layer_sizes(
    spec: NetworkSpec, timesteps: int, features: int, classes: int, tokens: int | None = None
) -> list[tuple[int, int]]:
    """For each layer with weights how many there are, and how often a sequence passes through them.

    A layer with u units on f inputs has, for each direction,
    SimpleRNN: u (f + u + 1)     (W, U and b of h_t = tanh(b + W h_{t-1} + U x_t), equation 1.5.1),
    Elman:     u (u + 1) more    (V and c of o_t = V h_t + c, Figure 1.5.2),
    LSTM:    4 u (f + u + 1)     (three gates and the candidate),
    GRU:     3 u (f + u + 2)     (two gates and the candidate, with a second bias: `reset_after`),
    and the same weights serve every time step. Layer normalization has 2 weights for each output, attention one for
    each output of the last layer. A convolution's weights serve every place of its output. The embeddings of tokens
    are looked up: nothing is multiplied.
    """
    sizes: list[tuple[int, int]] = []
    if tokens is not None:
        sizes.append(((tokens + 1) * EMBEDDING_WIDTH, 0))
        features = EMBEDDING_WIDTH
    if spec.cell == "mlp":
        inputs = timesteps * features
        for _ in range(spec.depth):
            sizes.append((spec.units * (inputs + 1), 1))
            inputs = spec.units
    elif spec.cell == "cnn":
        height, width, channels = timesteps, features, 1
        for kernel, pool in convolutions(spec, timesteps, features):
            height, width = height - kernel[0] + 1, width - kernel[1] + 1
            sizes.append((spec.units * (kernel[0] * kernel[1] * channels + 1), height * width))
            height, width, channels = height // pool[0], width // pool[1], spec.units
        inputs = height * width * channels
    else:
        kind = CELLS[spec.cell]
        directions = 2 if spec.bidirectional else 1
        inputs = features
        for layer in range(1, spec.depth + 1):
            sizes.append((directions * kind.blocks * spec.units * (inputs + spec.units + kind.biases), timesteps))
            if spec.cell == "elman_output":
                every_step = layer < spec.depth or spec.hands_on_sequences
                sizes.append((directions * spec.units * (spec.units + 1), timesteps if every_step else 1))
            inputs = (directions if spec.merge_mode == "concat" else 1) * spec.units
            if spec.layer_normalization:
                sizes.append((2 * inputs, timesteps if layer < spec.depth or spec.hands_on_sequences else 1))
        if spec.pooling == "attention":
            sizes.append((inputs, timesteps))
        if spec.pooling == "mean_max":
            inputs *= 2
    return [*sizes, (classes * (inputs + 1), 1)]


def parameter_count(spec: NetworkSpec, timesteps: int, features: int, classes: int, tokens: int | None = None) -> int:
    """Number of trainable parameters in closed form, without building the network; see `layer_sizes`."""
    return sum(parameters for parameters, _ in layer_sizes(spec, timesteps, features, classes, tokens))


def multiplications(spec: NetworkSpec, timesteps: int, features: int, classes: int, tokens: int | None = None) -> int:
    """Multiply-adds that one sequence costs in one pass forward, biases counted like weights."""
    return sum(parameters * uses for parameters, uses in layer_sizes(spec, timesteps, features, classes, tokens))


def convolutions(spec: NetworkSpec, height: int, width: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Kernel and pool of each convolution; the last one is not pooled."""
    found = []
    for layer in range(1, spec.depth + 1):
        kernel = (min(KERNEL, height), min(KERNEL, width))
        height, width = height - kernel[0] + 1, width - kernel[1] + 1
        pool = (min(POOL, height), min(POOL, width)) if layer < spec.depth else (1, 1)
        height, width = height // pool[0], width // pool[1]
        found.append((kernel, pool))
    return found
