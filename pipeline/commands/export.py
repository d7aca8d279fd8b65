"""export: the champion as a file for programs without TensorFlow."""

from pathlib import Path

from pipeline import paths
from pipeline.data.sequences import Samples, in_view
from pipeline.params.document import Params
from pipeline.params.network import network_name
from pipeline.report.text import number
from pipeline.tracking.model_card import input_words
from pipeline.use.answering import champion
from pipeline.use.export import (
    about,
    agreement,
    answers,
    check_libraries,
    one_sequence,
    onnx_bytes,
    reading_in,
    session_of,
)


def export_champion(path: Path, params: Params) -> None:
    """Write the champion as ONNX to `path`, after it has answered all test sequences as Keras does.

    Prints how large the file is, how far the answers differ, and how long one takes. Raises PipelineError where there
    is no champion of the data that params.yaml asks for, where a library is missing, for a cell without an operator,
    and where a probability differs by more than `TOLERANCE`.
    """
    check_libraries()
    chosen = champion(params)
    network, summary, reading = chosen.choice.choice, chosen.summary, reading_in(chosen)
    x = in_view(Samples.read(paths.TEST).x, network.view, summary)
    content = onnx_bytes(
        chosen.model, network.network, reading, about(chosen, input_words(network, summary)), chosen.temperature
    )
    session = session_of(content)
    found = agreement(chosen.probabilities(x), answers(session, x))
    with paths.atomic_write(path, "wb") as file:
        file.write(content)
    shape = summary.shape_in(network.view)
    times = one_sequence(session, chosen.model, network, summary.classes, reading, shape)
    print(f"export: {network_name(network)} as ONNX, {len(content):,} bytes: {path}")
    print(
        f"export: compared with Keras on {found.sequences:,} test sequences, probabilities differ by at most "
        f"{found.largest_difference:.1g}; the label is the same for {found.same_label:,}"
    )
    print(
        f"export: one sequence of {shape[0]:,} steps takes {number(times.onnx)} µs by ONNX Runtime, "
        f"{number(times.keras)} µs by Keras, on one thread of this machine (medians)"
    )
