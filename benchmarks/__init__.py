"""Benchmarks, one per folder: `run.py` measures and writes to `results/`.

`measure.py` has the code that is timed or fitted, `report.py` tables and pictures.
README.md says which folder answers which question.
"""
