"""From scores to metrics, intervals and thresholds."""
