#!/bin/sh
# Builds the web app into dist/ when Node is installed and a source is newer than the last build. Never fails: the API works without it.
cd "$(dirname "$0")/.." || exit 0
if ! command -v npm >/dev/null 2>&1; then
  [ -f dist/index.html ] || echo "The web app was not built: this needs Node.js 20 or newer, with npm. The API works without it."
  exit 0
fi
if [ -f dist/.built ] && [ -z "$(find src public index.html package-lock.json vite.config.ts -newer dist/.built -print | head -n 1)" ]; then
  exit 0
fi
echo "building the web app (frontend/dist)"
said=$( { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund; npm run --silent build; } 2>&1 ) && touch dist/.built || {
  echo "$said" | tail -n 5
  echo "The web app could not be built (see above). The API works without its newest version."
}
