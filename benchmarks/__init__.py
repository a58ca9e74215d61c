"""Benchmarks, a folder each: `run.py` measures and writes to `results/`.

`measure.py` holds what is timed or fitted, `report.py` what is made of it. README.md
says which folder answers which question.
"""
