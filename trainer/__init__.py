"""What learns. bert/ trains the encoders that judge documents. Knows `contracts`, never `services`."""

import os

# PyTorch's threads wait for each other in sleep, and not by spinning, as soon as anything else wants the
# cores: beside a river on two of them a step cost 2.7 CPU seconds that costs 1.0, and took four times as
# long. Read once, when torch is loaded: so here, before any module of ours loads it.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
