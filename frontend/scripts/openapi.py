"""The server's OpenAPI, for the page's typed client: `npm run api` makes src/api/schema.ts of it.

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
