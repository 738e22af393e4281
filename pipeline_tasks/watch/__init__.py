"""The watch over models in use: parity of served values, schema versions, drift, shadow runs and their verdicts."""
