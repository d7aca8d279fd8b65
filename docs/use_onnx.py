"""Asks an exported champion, without TensorFlow: needs numpy, onnxruntime and pillow alone.

    python docs/use_onnx.py champion.onnx digit.png samples.npz

An image has one digit that fills most of it; an .npz has an array x, as for `python -m pipeline predict`.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image


def read(file: str, about: dict[str, str], timesteps: int, features: int) -> np.ndarray:
    """Sequences (n, timesteps, features) float32 as the network reads them, which the model's metadata say."""
    shapes = {"rows": (timesteps, features), "columns": (features, timesteps)}
    if file.endswith(".npz"):
        x = np.load(file)["x"]
    elif about["divisor"] == "1" or about["view"] not in shapes:
        sys.exit(f"error: {file}: this network reads no images, but {about['input']}")
    else:
        image = Image.open(file).convert("L").resize(shapes[about["view"]][::-1], Image.Resampling.LANCZOS)
        x = np.asarray(image)[None]
        x = 255 - x if np.median(x) > 127 else x  # the network has learned from light digits on dark ground
    if about["divisor"] == "1" or x.dtype.kind == "f":
        return x.astype(np.float32)  # sequences already
    if about["view"] == "permuted_pixels":
        sys.exit(f"error: {file}: the order of the pixels is not in the model: give sequences as floats")
    x = x.swapaxes(1, 2) if about["view"] == "columns" else x
    return x.reshape(len(x), timesteps, features).astype(np.float32) / np.float32(about["divisor"])


def main(model: str, *files: str) -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    about, [asked] = session.get_modelmeta().custom_metadata_map, session.get_inputs()
    labels = json.loads(about["labels"])
    for file in files:
        x = read(file, about, *asked.shape[1:])
        for number, probabilities in enumerate(session.run(None, {asked.name: x})[0]):
            print(f"{file},{number},{labels[probabilities.argmax()]},{probabilities.max():.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
