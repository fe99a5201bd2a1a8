#!/bin/sh
# Checks the types, the lint rules and the formatting of the web app (npm run check). Says so where it can't, and is no failure then.
cd "$(dirname "$0")/.." || exit 1
if ! command -v npm >/dev/null 2>&1 || ! [ -d node_modules ]; then
  echo "The web app was not linted: this needs Node.js, and \`npm ci\` in frontend/."
  exit 0
fi
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund || exit 1
npm run --silent check
