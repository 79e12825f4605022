"""One update: loss, schedule, precision, splitting a batch that does not fit."""
