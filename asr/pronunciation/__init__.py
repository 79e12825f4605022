"""How words are said: lexica, CMUdict, espeak-ng for any of its languages, a user's own dictionary."""
