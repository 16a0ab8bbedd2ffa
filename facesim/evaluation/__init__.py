"""From scores to metrics, confidence intervals and thresholds."""
