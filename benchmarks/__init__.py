"""Measurements of nalu_jax: `python -m benchmarks.<script>` from the root of the repository; README.md is the index."""
