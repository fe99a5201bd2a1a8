# A menu of verbs; what they do is in scripts/. Works on make 3.81 (macOS).
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONUTF8 := 1
# Many container images set it; without kept bytecode each stage would compile its libraries again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup all test test-fast test-nightly train eval ollama serve serve-config dev doctor blog exp diff validate-metrics
.PHONY: twins use watch retrain pack unpack bench bench-data bench-serve soak ladder benchmark plots report docs lint lock gc clean

help: ## print this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

setup: ## make .venv and install everything into it (does nothing when it is done)
	@$(PYTHON) scripts/bootstrap.py

# `make all AUTHOR=anna`, or any other verb: the same in authors/anna, one of several side by side
ifneq ($(AUTHOR),)
.PHONY: $(MAKECMDGOALS)
.NOTPARALLEL:
$(filter-out setup help,$(MAKECMDGOALS)): setup
	@python scripts/author_project.py -- "$(AUTHOR)" $@ '$(subst ','\'',$(value FROM))'
else

all: setup ## posts → twin, then what came out (BASE=llama3.2:1b, or auto: on another base; AUTHOR=anna)
	@$(if $(BASE),python scripts/set_param.py 'train.base=$(subst ','\'',$(value BASE))')
	@python scripts/06_ollama_create.py --drop-stale
	@dvc repro eval && dvc repro
	@python scripts/twins.py keep
	@python scripts/print_summary.py

test: setup lint ## prove it: every test but the nightly ones, with the real base model (about 20 minutes on two cores)
	@python -m pytest tests -m "not nightly" -n 3 --dist loadfile --no-loadscope-reorder --durations=40

test-fast: setup ## the quick tests (under a minute)
	@python -m pytest tests -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-nightly: setup ## what is heavy by nature: upgrades, training jobs, benchmarks, trainers of other machines
	@python -m pytest tests -m nightly -n 3 --dist loadfile --no-loadscope-reorder --durations=40

train: setup ## up to and with training
	@dvc repro train

eval: setup ## up to and with the scorecard
	@dvc repro eval
	@python scripts/twins.py keep
	@python scripts/print_summary.py

ollama: setup ## register the twin in Ollama, again
	@dvc repro --force --single-item ollama_create

twins: setup ## the twins that are kept: date, base, verdict, MB
	@python scripts/twins.py list

use: setup ## another one of them is the twin now, in Ollama too: make use TWIN=2026-11-29, TWIN=newest
	@python scripts/twins.py use '$(subst ','\'',$(value TWIN))'

watch: setup ## look for new posts by itself: make watch FROM=~/posts, or a feed (EVERY=60 minutes; AFTER=20: train again)
	@python scripts/watch.py --from '$(subst ','\'',$(value FROM))' $(if $(EVERY),--every $(EVERY)) \
	    $(if $(AFTER),--after $(AFTER))

retrain: setup ## make all on the new posts; the twin of now stays the live one if the new one is worse
	@python scripts/watch.py --train

pack: setup ## one file to carry the twin away, blogtwin-NAME.zip, without a post (TWIN=: another one)
	@python scripts/twins.py pack '$(subst ','\'',$(value TWIN))'

unpack: setup ## a twin from another machine: make unpack FROM=blogtwin-NAME.zip
	@python scripts/twins.py unpack '$(subst ','\'',$(value FROM))'

serve: setup ## one private API in front of base and twin, on 127.0.0.1:8000
	@sh frontend/scripts/build.sh
	@python scripts/serve_api.py

serve-config: setup ## how vLLM serves the base with one adapter per author (artifacts/vllm/serve.sh)
	@python scripts/serve_config.py

dev: setup ## the page and the API, both with reload while you change them (needs Node)
	@cd frontend && ([ -d node_modules ] || npm ci --no-audit --no-fund)
	@trap 'kill 0' EXIT; \
	SERVE_REQUIRE_KEY=0 PYTHONPATH=. python -m uvicorn --factory --reload --reload-dir serve --port 8000 serve.main:create_app & \
	cd frontend && npm run --silent dev

bench: setup ## how fast the CPU trainer is, beside TRL's own and what the machine can multiply
	@dvc repro --quiet split
	@python scripts/bench_train.py

bench-data: setup ## how long an archive of 5,000 posts takes to read, cut and split
	@python scripts/bench_pipeline.py

bench-serve: setup ## what the server costs, and how it bears 32 at once
	@python scripts/bench_serve.py

soak: setup ## an hour in which everything goes wrong: is what the server acknowledged still there? (MINUTES=5)
	@python scripts/soak.py $(if $(MINUTES),--minutes $(MINUTES))

ladder: setup ## drafts from notes on larger bases, measured: BASES="a b" BLOGS=folder CASES=20 CANDIDATES=12 AGAIN=1
	@python scripts/ladder.py $(if $(BASES),--bases "$(BASES)") $(if $(BLOGS),--blogs "$(BLOGS)") \
	    $(if $(CASES),--cases $(CASES)) $(if $(CANDIDATES),--candidates $(CANDIDATES)) $(if $(AGAIN),--again)

benchmark: setup ## twin, prompting, retrieval and verified drafting, like for like: BLOGS=folder BASE=name PARAMS="a.b=1"
	@python scripts/benchmark.py $(if $(BLOGS),--blogs "$(BLOGS)") $(if $(BASE),--base "$(BASE)") \
	    $(if $(PARAMS),--params "$(PARAMS)")

doctor: ## what this machine can do, what is missing, and the base model and preset that suit it
	@python scripts/doctor.py

blog: setup ## use your own posts: make blog FROM=~/posts
	@python scripts/import_posts.py '$(subst ','\'',$(value FROM))'

exp: setup ## try other parameters: make exp S="-S train.learning_rate=1e-4"
	@python scripts/run_experiment.py $(S)
	@python scripts/twins.py keep

diff: setup ## this workspace's numbers beside the last commit's; A=… B=…: paired, better or worse or can't tell
	@python scripts/compare_runs.py $(if $(A),"$(A)" $(if $(B),"$(B)"))

validate-metrics: setup ## is the scorecard real? BLOGS=folder: on several people; TWINS="a b c": twins of each
	@$(if $(BLOGS)$(if $(TWINS),,neither),python scripts/validate_verifier.py "$(BLOGS)")
	@$(if $(TWINS),python scripts/cross_evaluate.py $(TWINS))

plots: setup ## draw the curves into artifacts/plots/index.html
	@dvc plots show

report: setup ## is the blog ready to be learnt from? (and where the scorecard's page is)
	@dvc repro --quiet ingest
	@python scripts/corpus_report.py

docs: setup ## build the documentation into site/ (a dead link is an error)
	@python scripts/build_docs.py
	@NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict

lint: setup ## check style, formatting and types of the code
	@ruff check .
	@ruff format --check .
	@mypy
	@sh frontend/scripts/lint.sh

lock: ## pin every package that requirements.txt needs, in constraints.txt
	@$(PYTHON) scripts/bootstrap.py --lock

gc: setup ## what caches, old twins, bases and checkpoints take; frees what nothing needs (ARGS=--dry-run, --yes)
	@python scripts/collect_garbage.py $(ARGS)

clean: ## forget what the stages made (not your posts, not the cache)
	@rm -rf artifacts/adapter artifacts/gguf artifacts/ollama artifacts/plots artifacts/eval artifacts/train
	@rm -rf artifacts/checkpoints artifacts/logs artifacts/data data/export data/raw data/prepared data/split/*.jsonl

endif
