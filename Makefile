# Two commands set a fresh machine up: `make demo` and `make test`.
# The first Python here of those that pyproject.toml allows; the tests run on 3.11.
PYTHON ?= $(or $(firstword $(foreach minor,11 12 13 14,\
	$(if $(shell python3.$(minor) -c 1 2>/dev/null && echo it),python3.$(minor)))),python3)
VENV ?= .venv
BIN = $(VENV)/bin
# `make gpu GPU_PYTHON=python3.12` takes what a machine has; see benchmarks/gpu.
GPU_PYTHON ?= $(BIN)/python
GPU_NEEDS = $(if $(filter $(BIN)/python,$(GPU_PYTHON)),install)
GPU_DATA = benchmarks/gpu/data.npz
# One run must not fight itself for the cores.
export OMP_NUM_THREADS ?= 2
export SKLIMB_DATA ?= $(abspath ../shared/data)

.PHONY: help install demo test test-slow test-lowest interop fuzz lint bench clean
.PHONY: papers papers-quick dist docs docs-quick
.PHONY: gpu gpu-accuracy gpu-rehearse
help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	touch $@

install: $(VENV)/.installed ## own virtual environment with everything

demo: install ## the loan and the fraud workflow: tables and pictures in demo_output/
	$(BIN)/python examples/loan_workflow.py --out demo_output
	$(BIN)/python examples/fraud_workflow.py --out demo_output
	$(BIN)/python examples/threshold_workflow.py --quick --out demo_output
	$(BIN)/python examples/loan_reasons.py --out demo_output

# Two processes of one thread: half the minutes of one process with two threads. A file
# stays in one process, so that what its tests share is fitted once.
PYTEST_TWO = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

test: install ## everything but the slow tests
	$(PYTEST_TWO) -m "not slow and not gpu"

test-slow: install ## the slow tests
	$(PYTEST_TWO) -m "slow and not gpu"

# The lowest versions; files whose checks do not depend on newer ones. 4 minutes.
LOWEST = .venv-lowest
LOWEST_TESTS = tests/nn/test_packed.py tests/nn/test_functional_call.py \
	tests/nn/test_layouts.py tests/inputs/test_table.py \
	tests/inputs/test_extreme_numbers.py tests/inputs/test_preprocessing_state.py \
	tests/fitting/test_seeds.py tests/fitting/test_probabilities.py \
	tests/fitting/test_interrupts.py tests/fitting/test_not_finite.py \
	tests/training/test_losses.py tests/training/test_mixing.py \
	tests/estimators/test_persistence.py

$(LOWEST)/.installed: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install -q -c constraints-lowest.txt \
		-e . hypothesis pillow polars psutil pyarrow pytest rtdl_num_embeddings
	touch $@

test-lowest: $(LOWEST)/.installed ## a part of the tests under the lowest versions
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -m "not slow and not gpu" -q $(LOWEST_TESTS)

# MLflow and ray, which bring servers with them, and accelerate, in an environment of
# their own: the tested versions of what a saved model is made of, and of the rest what
# MLflow takes.
INTEROP = .venv-interop
INTEROP_KEEPS = imbalanced-learn|numpy|pytest|rtdl_revisiting_models|safetensors|$\
	scikit-learn|scipy|skops|skorch|torch

$(INTEROP)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(INTEROP)
	grep -E '^($(INTEROP_KEEPS))==' constraints.txt > $(INTEROP)/constraints.txt
	$(INTEROP)/bin/python -m pip install -q -c $(INTEROP)/constraints.txt \
		-e . "mlflow>=3" "ray[default]" "accelerate>=1" skops pytest
	touch $@

interop: $(INTEROP)/.installed ## MLflow, ray and accelerate, with the libraries
	$(INTEROP)/bin/python -m pytest -q -W default tests/interop/outside.py

fuzz: install ## random inputs and mutated files, ten times as many as in the tests
	SKLIMB_FUZZ_INPUTS=3000 SKLIMB_FUZZ_FILES=5000 $(BIN)/python -m pytest tests/fuzz -q -s
	SKLIMB_FUZZ_FRAMES=200 $(BIN)/python -m pytest tests/export/test_onnx_frames.py -m slow -q

lint: install ## ruff, ruff format, codespell, pyright
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/pyright --warnings

# Examples whose text has not changed are not run again. -W: a warning is an error.
SPHINX = $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
docs: install ## the documentation, examples run: docs/_build/html/index.html
	$(SPHINX)

docs-quick: install ## the documentation, examples not run
	SKLIMB_DOCS_EXAMPLES=0 $(SPHINX)

DIST = .venv-dist
dist: install ## sdist and wheel in dist/, checked, and the wheel of the sdist tried
	rm -rf dist $(DIST)
	$(BIN)/python -m build -q
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv $(DIST)
	$(DIST)/bin/python -m pip install -q -c constraints.txt dist/*.whl
	cd dist && PYTHONPATH= ../$(DIST)/bin/python -W error ../tests/docs/smoke.py

bench: install ## every benchmark, resumable (hours)
	$(BIN)/python benchmarks/loop_overhead/run.py
	$(BIN)/python benchmarks/packed_search/run.py
	$(BIN)/python benchmarks/device/run.py
	$(BIN)/python benchmarks/machines/run.py
	$(BIN)/python benchmarks/processor/run.py
	$(BIN)/python benchmarks/tables/run.py
	$(BIN)/python benchmarks/out_of_the_box/run.py
	$(BIN)/python benchmarks/images/run.py
	$(BIN)/python benchmarks/step_costs/run.py
	$(BIN)/python benchmarks/prediction/run.py
	$(BIN)/python benchmarks/large/run.py
	$(BIN)/python benchmarks/export/run.py
	$(BIN)/python benchmarks/decisions/run.py
	$(BIN)/python benchmarks/analysis/run.py
	$(BIN)/python benchmarks/bayes/run.py
	$(BIN)/python benchmarks/search_budgets/run.py
	$(BIN)/python benchmarks/second_stages/run.py

papers: install ## the papers' tables, resumable (hours; images want a GPU)
	$(BIN)/python benchmarks/papers/metabalance/run.py
	$(BIN)/python benchmarks/papers/simplifying/run.py
	$(BIN)/python benchmarks/papers/tuning/run.py
	$(BIN)/python benchmarks/papers/representation/run.py
	$(BIN)/python benchmarks/papers/cifar_lt/run.py --scale full --device auto
	$(BIN)/python benchmarks/papers/image_curves/run.py --device auto
	$(BIN)/python benchmarks/papers/inside/run.py --device auto
	$(BIN)/python benchmarks/papers/features/run.py --device auto
	$(BIN)/python benchmarks/papers/posterior/run.py
	$(BIN)/python benchmarks/papers/unlabeled/run.py --device auto
	$(BIN)/python benchmarks/papers/identification/run.py --device auto

papers-quick: install ## a look at them: small scales, minutes each
	$(BIN)/python benchmarks/papers/metabalance/run.py --quick
	$(BIN)/python benchmarks/papers/simplifying/run.py --quick
	$(BIN)/python benchmarks/papers/tuning/run.py --quick
	$(BIN)/python benchmarks/papers/representation/run.py --quick
	$(BIN)/python benchmarks/papers/cifar_lt/run.py --scale cpu
	$(BIN)/python benchmarks/papers/image_curves/run.py --quick
	$(BIN)/python benchmarks/papers/inside/run.py --quick
	$(BIN)/python benchmarks/papers/features/run.py --quick
	$(BIN)/python benchmarks/papers/posterior/run.py --quick
	$(BIN)/python benchmarks/papers/unlabeled/run.py --quick
	$(BIN)/python benchmarks/papers/identification/run.py --quick

$(GPU_DATA):
	$(GPU_PYTHON) benchmarks/gpu/prepare.py

gpu: $(GPU_NEEDS) $(GPU_DATA) ## everything on one GPU, 8 minutes at most
	$(GPU_PYTHON) benchmarks/gpu/run.py

gpu-accuracy: $(GPU_NEEDS) $(GPU_DATA) ## ResNet-32, 200 epochs, on one GPU, 8 minutes more
	$(GPU_PYTHON) benchmarks/gpu/run.py --accuracy

gpu-rehearse: $(GPU_NEEDS) ## all parts of both, on the CPU, in a minute
	$(GPU_PYTHON) benchmarks/gpu/run.py --rehearse

clean: ## what the commands above made
	rm -rf $(VENV) $(LOWEST) $(INTEROP) $(DIST) demo_output build dist *.egg-info \
		docs/_build docs/_examples docs/api docs/auto_examples docs/from_markdown
