"""How big should my recurrent network be? Reproducible capacity studies, from download to report."""

import os
from pathlib import Path

# Read by NumPy and by its OpenBLAS when they are imported, so before anything else of this package. Both have newer
# instructions for `exp`, `log` and products than AVX2's, with other last bits: a sampler would then propose other
# learning rates. `training.instructions` does the same for TensorFlow (`pipeline.training.process`).
_processor = Path("/proc/cpuinfo")
if _processor.exists() and " avx2 " in _processor.read_text(encoding="utf-8", errors="replace"):
    os.environ |= {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR", "OPENBLAS_CORETYPE": "Haswell"}
