"""How big should my recurrent network be? Reproducible capacity studies, from download to report."""

import os
from pathlib import Path

__version__ = "0.1.0"

# Read by TensorFlow and Keras when they are imported, so before anything else of this package: what somebody has set
# for other work would change bits, or keep networks from training.
for _name in ("TF_XLA_FLAGS", "TF_USE_LEGACY_KERAS", "TF_SET_ONEDNN_FPMATH_MODE", "ONEDNN_DEFAULT_FPMATH_MODE",
              "DNNL_DEFAULT_FPMATH_MODE", "DNNL_MAX_CPU_ISA"):  # fmt: skip
    os.environ.pop(_name, None)
os.environ["KERAS_BACKEND"] = "tensorflow"

# Read by NumPy and by its OpenBLAS. Both have newer instructions for `exp`, `log` and products than AVX2's, with other
# last bits: a sampler would then propose other learning rates. `training.instructions` does the same for TensorFlow
# (`pipeline.training.process`).
_processor = Path("/proc/cpuinfo")
if _processor.exists() and " avx2 " in _processor.read_text(encoding="utf-8", errors="replace"):
    os.environ |= {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR", "OPENBLAS_CORETYPE": "Haswell"}
