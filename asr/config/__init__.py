"""All settings of an experiment, to and from YAML."""
