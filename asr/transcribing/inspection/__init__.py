"""Why a transcript is as it is, and what this installation can do: explain and doctor."""
