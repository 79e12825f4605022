"""HTTP and WebSocket server: OpenAI's transcription API, live streams, its limits, its web page."""
