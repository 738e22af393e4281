"""Template of a model; `desk new-model NAME` copies it. Runs as it is: a seasonal blend with residual quantiles."""
