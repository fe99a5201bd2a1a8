"""Print the server's OpenAPI schema, from which `npm run api` generates src/api/schema.ts for the web app's typed
client.

Run     npm run api    (with the project's Python; in the project's folder: python frontend/scripts/openapi.py)
"""

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def main() -> None:
    from serve.main import create_app
    from serve.settings import Settings

    with tempfile.TemporaryDirectory() as home:
        json.dump(create_app(Settings(home=home, _env_file=None)).openapi(), sys.stdout)


if __name__ == "__main__":
    main()
