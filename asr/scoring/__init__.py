"""From references and hypotheses to error rates, their uncertainty, and a report of what went wrong."""
