"""Times rheon beside other flow libraries: ``python -m benchmarks``. See README.md in this folder."""
