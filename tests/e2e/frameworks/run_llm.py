"""The llm command, through its file of further models, streamed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

URL, HELLO, CALLS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

with tempfile.TemporaryDirectory() as folder:
    models = [{"model_id": "lbd", "model_name": "m-gemini", "api_base": URL, "api_key_name": "x"}]
    (Path(folder) / "extra-openai-models.yaml").write_text(json.dumps(models))
    command = [sys.executable, "-m", "llm", "-m", "lbd", "--key", "x", "Häi"]
    env = {**os.environ, "LLM_USER_PATH": folder}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
assert done.stdout.strip() == HELLO, done.stderr
