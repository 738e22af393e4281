"""ancillary: prices of energy and reserves together, and the schedule of a battery and a plant between them; README.md says how well."""
