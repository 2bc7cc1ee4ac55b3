"""Loads an exported encoder into MedicalNet's network with strict=True, as a user of PyTorch does.

    medvox export RUN --format pth-names --encoder --out encoder.safetensors
    python oracle/torch_exported.py encoder.safetensors 10
"""

import sys

from safetensors.torch import load_file

from torch_backbone import Encoder

if len(sys.argv) != 3:
    sys.exit(__doc__)
state = load_file(sys.argv[1])
print(Encoder(int(sys.argv[2])).load_state_dict(state, strict=True), f"{len(state)} entries")
